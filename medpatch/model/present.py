"""Run an encoder on the stays that bring its modality, and only on those."""

import torch
from torch import Tensor, nn

from medpatch.contract.batch import Tokens


def encode_present(encoder: nn.Module, value: Tensor, *, mask: Tensor, present: Tensor) -> Tokens:
    """Tokens of every stay; those of absent ones are zeros under a False mask.

    Args:
        encoder: maps (value, mask) of R present stays to their Tokens; has `width`.
        value: (B, ...) padded input.
        mask: (B, ...) bool, True where the input is real.
        present: (B,) bool; a stay with no real input counts as absent too.
    """
    rows = (present & mask.flatten(1).any(dim=1)) if mask.dim() > 1 else present & mask
    if bool(rows.all()):
        return encoder(value, mask)
    stays = rows.shape[0]
    if not bool(rows.any()):
        zeros = torch.zeros(stays, 1, encoder.width, device=value.device)
        return Tokens(value=zeros, token_mask=rows.unsqueeze(1), pooled=zeros[:, 0])
    index = rows.nonzero().squeeze(1)
    some = encoder(value[index], mask[index])
    return Tokens(
        value=_scatter(some.value, index, stays=stays),
        token_mask=_scatter(some.token_mask, index, stays=stays),
        pooled=_scatter(some.pooled, index, stays=stays),
    )


def _scatter(some: Tensor, index: Tensor, *, stays: int) -> Tensor:
    return some.new_zeros(stays, *some.shape[1:]).index_copy(0, index, some)
