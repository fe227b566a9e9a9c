"""DrFuse: what modalities share and what each alone knows, weighed per label by attention."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, logsigmoid

from medpatch.config.name import Modality
from medpatch.model.baseline.ensemble import mean_of_models
from medpatch.model.baseline.objective import sum_of_present
from medpatch.model.baseline.stem import Stem
from medpatch.model.feature import RivalOutput, StayTokens
from medpatch.model.head import LogitMap
from medpatch.model.pool import masked_mean


class DrFuse(nn.Module):
    """Per modality a shared and a distinct vector; shared ones are pooled; attention per label over the rest.

    Training asks, beside the label: that shared vectors of one stay agree (Jensen-Shannon divergence), that
    shared and distinct vectors of one modality are orthogonal, that each distinct vector and the pooled one tell
    the label alone, and that attention prefers the branch with the smaller loss. All weights are 1.

    Source: Yao et al. 2024 (DrFuse, arxiv.org/abs/2403.06197), with the weights of their code (github.com/dorothy-
    yao/drfuse): the divergence summed over D (256 there), the absolute cosines over modalities, the branches' cross-
    entropies (each a mean over labels) over branches.
    Deviates: any number of modalities, also without an EHR; both vectors come from the summary and the mean token of
    the stage-1 encoder instead of encoders of their own; shared vectors are aligned by two linear layers, not three;
    the divergence is that of Bernoulli variables, where the code leaves out the terms of 1 - p, half where p is about
    0.5; every term is averaged over all stays of the batch, so that it can be split, where the code averages over
    those that have the modality (two of them for the divergence, whose sum there also counts stays that lack one): a
    rare modality weighs less here.
    """

    def __init__(
        self, raw_width: Mapping[Modality, int], width: int, *, label_count: int, dropout: float = 0.1
    ) -> None:
        """Take the encoders' widths, the common width D, and K."""
        super().__init__()
        self.stem = Stem(raw_width, width)
        self.shared, self.distinct = (
            nn.ModuleList(_branch(width, dropout) for _ in raw_width) for _ in ("shared", "distinct")
        )
        self.align = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.branch_head = nn.ModuleList(LogitMap(width, label_count) for _ in range(len(raw_width) + 1))
        self.query, self.value = nn.Linear(width, width), nn.Linear(width, width)
        self.key = nn.Linear(width, label_count * width)
        self.weight = nn.Parameter(torch.empty(label_count, width))
        self.bias = nn.Parameter(torch.zeros(label_count))
        nn.init.uniform_(self.weight, -(width**-0.5), width**-0.5)

    def forward(self, stay: StayTokens) -> RivalOutput:
        """Logits (B, K) and what the losses need of the M + 1 branches, the shared one last."""
        tokens, mask = self.stem.sequences(stay)
        here = torch.stack([m[:, 0] for m in mask], dim=1)  # (B, M)
        vectors = [torch.cat([t[:, 0], masked_mean(t, m)], dim=1) for t, m in zip(tokens, mask, strict=True)]
        distinct = torch.stack([net(v) for net, v in zip(self.distinct, vectors, strict=True)], dim=1)
        shared = torch.stack([self.align(net(v)) for net, v in zip(self.shared, vectors, strict=True)], dim=1)
        shared = shared.to(torch.promote_types(shared.dtype, torch.float32))  # the divergence is a sum of differences
        # the logit of the mean sigmoid, called logit pooling in the paper
        pooled = mean_of_models(shared, here)  # (B, D)
        branches = torch.cat([distinct, pooled.unsqueeze(1)], dim=1)  # (B, M + 1, D)
        seen = torch.cat([here, here.any(dim=1, keepdim=True)], dim=1)
        attention, fused = self._attend(branches, seen)
        return RivalOutput(
            logits=(fused * self.weight).sum(dim=-1) + self.bias,
            auxiliary_loss=disagreement(shared, pooled, here=here) + overlap(shared, distinct, here=here),
            branch_logits=torch.stack([head(branches[:, h]) for h, head in enumerate(self.branch_head)], dim=1),
            branch_mask=seen,
            attention=attention,
        )

    def _attend(self, branches: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Shares (B, M + 1, K) of the branches and their mix (B, K, D); zeros for a stay without any."""
        stays, count, width = branches.shape
        query = masked_mean(self.query(branches), seen)  # (B, D)
        key = self.key(branches).view(stays, count, -1, width)  # (B, M + 1, K, D)
        score = torch.einsum("bd,bhkd->bhk", query, key) * width**-0.5
        hidden = ~seen.unsqueeze(-1)
        share = torch.softmax(score.masked_fill(hidden, torch.finfo(score.dtype).min), dim=1).masked_fill(hidden, 0.0)
        return share, torch.einsum("bhk,bhd->bkd", share, self.value(branches))


def disagreement(shared: Tensor, pooled: Tensor, *, here: Tensor) -> Tensor:
    """Jensen-Shannon divergence of the present modalities' sigmoids, summed over D; zero where fewer than two are."""
    probability = torch.sigmoid(shared)  # (B, M, D)
    divergence = probability * (logsigmoid(shared) - logsigmoid(pooled).unsqueeze(1)) + (1.0 - probability) * (
        logsigmoid(-shared) - logsigmoid(-pooled).unsqueeze(1)
    )
    count = here.sum(dim=1, keepdim=True)
    return sum_of_present(divergence.sum(dim=2) / count.clamp_min(1), here & (count > 1))


def overlap(shared: Tensor, distinct: Tensor, *, here: Tensor) -> Tensor:
    """Absolute cosine between the two vectors of a modality, summed over those present."""
    return sum_of_present(cosine_similarity(shared, distinct, dim=-1).abs(), here)


def _branch(width: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(2 * width),
        nn.Linear(2 * width, width),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(width, width),
    )
