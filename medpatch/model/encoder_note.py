"""A note cut into chunks to tokens: one token per word piece."""

import torch
from torch import Tensor, nn

from medpatch.config.model import Summary
from medpatch.contract.batch import Tokens
from medpatch.model.pool import SUMMARISE

CHUNKS_AT_ONCE = 64


class NoteEncoder(nn.Module):
    """A BERT over every chunk of a note; the summary is the mean over its real word pieces, or their maximum.

    Source: MedPatch, Bio_ClinicalBERT over chunks of 512 ids.
    Deviates: all real positions of all chunks are tokens, padding is none. With `average_positions` the
    published form: chunks are averaged position by position, padding included.
    """

    def __init__(
        self, backbone: nn.Module, width: int, *, summary: Summary = Summary.MEAN, average_positions: bool = False
    ) -> None:
        """Take a transformers BERT-like model, its hidden size D, and what stands for the whole note."""
        super().__init__()
        self.width = width
        self.backbone = backbone
        self.average_positions = average_positions
        self.summarise = SUMMARISE[summary]

    def forward(self, value: Tensor, mask: Tensor) -> Tokens:
        """Tokens of stays that have a note.

        Args:
            value: (B, S, L) int64 input ids of S chunks.
            mask: (B, S, L) bool, True where the id is real.
        """
        chunk_mask = mask.any(dim=2)  # (B, S)
        hidden = self._encode_chunks(value.masked_fill(~mask, 0), mask, chunk_mask)  # (B, S, L, D)
        if self.average_positions:
            tokens = average_chunks(hidden, chunk_mask)
            token_mask = chunk_mask.any(dim=1, keepdim=True).expand(tokens.shape[:2])
        else:
            tokens = hidden.flatten(1, 2)  # (B, S*L, D)
            token_mask = mask.flatten(1, 2)
        return Tokens(value=tokens, token_mask=token_mask, pooled=self.summarise(tokens, token_mask))

    def _encode_chunks(self, value: Tensor, mask: Tensor, chunk_mask: Tensor) -> Tensor:
        """Hidden states of the real chunks, zeros elsewhere; chunks of like length run together."""
        ids, real = value[chunk_mask], mask[chunk_mask]  # (R, L)
        length = real.sum(dim=1)
        order, states = torch.argsort(length, stable=True), []
        for rows in order.split(CHUNKS_AT_ONCE):
            # the published form averages hidden states of padding too, so it keeps every position
            longest = ids.shape[1] if self.average_positions else int(length[rows].max())
            out = self.backbone(input_ids=ids[rows, :longest], attention_mask=real[rows, :longest].long())
            state = out.last_hidden_state
            if not self.average_positions:
                state = state.masked_fill(~real[rows, :longest].unsqueeze(-1), 0.0)
            states.append(nn.functional.pad(state, (0, 0, 0, ids.shape[1] - longest)))
        flat = torch.cat(states)[torch.argsort(order)]
        hidden = torch.zeros(*value.shape, self.width, dtype=flat.dtype, device=value.device)
        hidden[chunk_mask] = flat
        return hidden


def average_chunks(hidden: Tensor, chunk_mask: Tensor) -> Tensor:
    """Position-wise mean over the real chunks of each note; zeros for a stay without one.

    Args:
        hidden: (B, S, L, D).
        chunk_mask: (B, S) bool.

    Returns:
        (B, L, D).

    Source: published code of MedPatch, text encoder; padding positions are ordinary values in this mean.
    """
    kept = hidden * chunk_mask[:, :, None, None]
    return kept.sum(dim=1) / chunk_mask.sum(dim=1).clamp_min(1)[:, None, None]
