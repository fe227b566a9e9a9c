"""The modalities' pooled tokens, all high or all low ones, fused into label logits."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from medpatch.config.model import Fuser
from medpatch.model.head import Head
from medpatch.model.mixer import MIXER


class ClasswiseJoint(nn.Module):
    """Each label reads the pools made for it, from every modality that has one.

    logit_k = b_k + sum over modalities m with a token of (w_mk . norm_m(pool_mk) + b_mk).

    Source: MedPatch, joint module without a fuser.
    Deviates: the published head flattens all labels' pools into one vector (51,200 numbers for 25 labels) and
    sees an empty group as zeros. Here a label's logit depends on its own pools, empty groups are left out, and
    a head has M x K x D weights instead of M x K x D x K.
    """

    def __init__(self, modality_count: int, label_count: int, *, width: int) -> None:
        """Take M, K and the width D."""
        super().__init__()
        self.norm = nn.ModuleList(nn.LayerNorm(width) for _ in range(modality_count))
        self.weight = nn.Parameter(torch.empty(modality_count, label_count, width))
        self.offset = nn.Parameter(torch.zeros(modality_count, label_count))
        self.bias = nn.Parameter(torch.zeros(label_count))
        bound = (modality_count * width) ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)

    @torch.no_grad()
    def start_from(self, heads: Sequence[Head]) -> None:
        """Let the first prediction be the mean evidence that unimodal heads find in their modality's pools."""
        for m, head in enumerate(heads):
            self.norm[m].load_state_dict(head.norm.state_dict())
            self.weight[m].copy_(head.linear.weight / len(heads))

    def forward(self, pools: Tensor, has_token: Tensor, confidence: Tensor) -> Tensor:
        """Logits (B, K).

        Args:
            pools: (B, M, K, D) projected pools.
            has_token: (B, M, K) bool, False where the group is empty.
            confidence: (B, M, K), not used.
        """
        # modality by modality: no second copy of all pools, forward or backward
        with torch.autocast(pools.device.type, enabled=False):  # logits keep their digits, as those of `LogitMap`
            told = [
                torch.einsum("bkd,kd->bk", norm(pool.to(weight.dtype)), weight)
                for norm, pool, weight in zip(self.norm, pools.unbind(dim=1), self.weight, strict=True)
            ]
        return self.add_up(told, has_token)

    def add_up(self, told: Sequence[Tensor], has_token: Tensor) -> Tensor:
        """Logits (B, K) from what each modality's normalised pools say, M of (B, K)."""
        part = torch.stack(list(told), dim=1) + self.offset  # (B, M, K)
        return part.masked_fill(~has_token, 0.0).sum(dim=1) + self.bias


class PublishedJoint(nn.Module):
    """All pools flattened, modality by modality, then one head; empty groups are zeros.

    Source: published code of MedPatch, fuser "none".
    """

    def __init__(self, modality_count: int, label_count: int, *, width: int) -> None:
        """Take M, K and the width D."""
        super().__init__()
        self.head = Head(modality_count * label_count * width, label_count)

    def forward(self, pools: Tensor, has_token: Tensor, confidence: Tensor) -> Tensor:
        """Logits (B, K) from pools (B, M, K, D); the other two are not used."""
        return self.head(pools.flatten(1))


class SequenceJoint(nn.Module):
    """Pools ordered by ascending confidence, a sequence model over them, then a head.

    Source: MedPatch, fusers "lstm" and "transformer".
    Deviates: empty groups are left out unless `keeps_empty` (the published code keeps them as zeros, first).
    """

    def __init__(self, label_count: int, width: int, *, fuser: Fuser, keeps_empty: bool) -> None:
        """Take K, the width D and which sequence model."""
        super().__init__()
        self.mixer = MIXER[fuser](width)
        self.head = Head(width, label_count)
        self.keeps_empty = keeps_empty

    def forward(self, pools: Tensor, has_token: Tensor, confidence: Tensor) -> Tensor:
        """Logits (B, K); see ClasswiseJoint for the arguments."""
        entries = pools.flatten(1, 2)  # (B, M*K, D), modality by modality
        key = confidence.flatten(1)
        real = torch.ones_like(key, dtype=torch.bool) if self.keeps_empty else has_token.flatten(1)
        # real entries first, each part in ascending order
        order = torch.argsort(key + (~real) * 2.0, dim=1, stable=True)
        entries = entries.gather(1, order.unsqueeze(-1).expand_as(entries))
        return self.head(self.mixer(entries, real.gather(1, order)))
