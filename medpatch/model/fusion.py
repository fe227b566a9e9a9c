"""Features to logits: unimodal heads, joint module, missingness module, late module."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from medpatch.config.model import Compat
from medpatch.config.name import Modality
from medpatch.contract.batch import FusionOutput
from medpatch.model.evidence import EvidenceSum, prior_logit
from medpatch.model.feature import Features, ModalityFeature
from medpatch.model.head import Head
from medpatch.model.late import weighted_late
from medpatch.model.paired import paired_evidence

PUBLISHED_ORDER = (Modality.EHR, Modality.CXR, Modality.DN, Modality.RR)


class Branch(nn.Module):
    """What belongs to one modality in fusion: two or three projections and the unimodal head."""

    def __init__(
        self,
        raw_width: int,
        width: int,
        *,
        label_count: int,
        is_projected: bool = True,
        is_shared: bool = False,
    ) -> None:
        """Wire the modules.

        Args:
            raw_width: of the encoder.
            width: the common width D.
            label_count: K.
            is_projected: False needs both widths equal.
            is_shared: high and low pools go through one projection, `high_projection`; `low_projection` is None.
        """
        super().__init__()
        if not is_projected and raw_width != width:
            raise ValueError(f"a branch without projection needs equal widths, got {raw_width} and {width}")
        self.unimodal_projection = nn.Linear(raw_width, width) if is_projected else nn.Identity()
        self.high_projection = nn.Linear(raw_width, width) if is_projected else nn.Identity()
        self.low_projection = None
        if not is_shared:
            self.low_projection = nn.Linear(raw_width, width) if is_projected else nn.Identity()
        self.head = Head(width, label_count)

    def start_from(self, projection: nn.Module, head: Head) -> None:
        """Copy a unimodal model's projection into all of mine, and its head."""
        for mine in (self.unimodal_projection, self.high_projection, self.low_projection):
            if mine is not None:
                mine.load_state_dict(projection.state_dict())
        self.head.load_state_dict(head.state_dict())


class Fusion(nn.Module):
    """All that is trained in the fusion stage.

    Masked means commute with linear maps, so pools are projected after pooling: K vectors instead of N x K.

    While it is trained the late head is the mean of all heads with learned weights (`late_weight`), as published. A
    trained network may have `evidence`, which then takes its place for the labels that it was fitted for: the same
    heads added up with weights from val stays.

    Source: MedPatch, joint, missingness and late modules.
    Deviates: one list of modalities drives heads, masks and weights by name. `Compat.PUBLISHED` repeats the
    published order of heads (ehr, cxr, dn, rr) against masks in canonical order, so that rr and dn swap.
    """

    def __init__(
        self,
        branch: Mapping[Modality, Branch],
        joint: tuple[nn.Module, nn.Module] | None,
        *,
        missingness: nn.Module | None,
        label_count: int,
        uses_late: bool = True,
        compat: Compat = Compat.REPAIRED,
    ) -> None:
        """Wire the modules.

        Args:
            branch: per modality, in canonical order.
            joint: the high and the low module, or None without the joint module.
            missingness: or None without it.
            label_count: K.
            uses_late: False leaves the unimodal heads out of the weighted sum.
            compat: numerics of the published code, or repaired.
        """
        super().__init__()
        self.modalities = tuple(branch)
        self.compat = compat
        self.uses_late = uses_late
        self.order = self.modalities
        if compat is Compat.PUBLISHED:
            self.order = tuple(m for m in PUBLISHED_ORDER if m in self.modalities)
        self.branch = nn.ModuleDict({str(m): b for m, b in branch.items()})
        self.high_joint, self.low_joint = joint if joint else (None, None)
        self.missingness = missingness
        head_count = (len(self.modalities) if uses_late else 0) + (missingness is not None) + 2 * bool(joint)
        self.late_weight = nn.Parameter(torch.ones(head_count, label_count))
        self.evidence: EvidenceSum | None = None

    def expect_evidence(self, prevalence: Tensor) -> EvidenceSum:
        """Let a fitted sum, whose weights are still to be fitted or loaded, be the late head; prevalence (K,)."""
        prior = prior_logit(prevalence).to(self.late_weight.device)
        self.evidence = EvidenceSum(prior, len(self.late_weight))
        return self.evidence

    def forward(self, features: Features) -> FusionOutput:
        """Logits of every head."""
        unimodal = {m: self._unimodal(m, features.modality[m]) for m in self.modalities}
        heads: list[Tensor] = [unimodal[m] for m in self.order] if self.uses_late else []
        brought = torch.stack([features.modality[m].is_encoded for m in self.modalities], dim=1)
        presence = features.presence & brought  # announced and with a token
        present = presence if self.uses_late else presence[:, :0]
        pattern = self.missingness(presence) if self.missingness else None
        if pattern is not None:
            heads.append(pattern)
        high = low = pattern
        if self.high_joint is not None:
            high, low = self._joint(features, self.order)
            heads += [low, high]
        always = present.new_ones(len(present), len(heads) - present.shape[1])
        stacked, has_input = torch.stack(heads, dim=1), torch.cat([present, always], dim=1)  # (B, H, K), (B, H)
        late = weighted_late(stacked, has_input, self.late_weight, compat=self.compat)
        if self.evidence is not None:
            late = torch.where(self.evidence.is_fitted, self.evidence(stacked, has_input), late)
        return FusionOutput(
            high=late if high is None else high,
            low=late if low is None else low,
            late=late,
            heads=stacked,
            has_input=has_input,
            unimodal=unimodal,
            missingness=torch.zeros_like(late) if pattern is None else pattern,
        )

    def _unimodal(self, name: Modality, feature: ModalityFeature) -> Tensor:
        branch = self.branch[name]
        return branch.head(branch.unimodal_projection(feature.pooled))

    def _joint(self, features: Features, order: Sequence[Modality]) -> tuple[Tensor, Tensor]:
        parts = [(self.branch[m], features.modality[m]) for m in order]
        if all(b.low_projection is None for b, _ in parts):
            return self._paired(parts)
        high = [_project(b.high_projection, f.high, has_token=f.has_high) for b, f in parts]
        low = [_project(b.low_projection, f.low, has_token=f.has_low) for b, f in parts]
        return (
            self.high_joint(
                torch.stack(high, dim=1),
                torch.stack([f.has_high for _, f in parts], dim=1),
                torch.stack([f.high_confidence for _, f in parts], dim=1),
            ),
            self.low_joint(
                torch.stack(low, dim=1),
                torch.stack([f.has_low for _, f in parts], dim=1),
                torch.stack([f.low_confidence for _, f in parts], dim=1),
            ),
        )

    def _paired(self, parts: Sequence[tuple[Branch, ModalityFeature]]) -> tuple[Tensor, Tensor]:
        """High and low logits where both groups of a modality share a projection."""
        high, low = self.high_joint, self.low_joint
        told = [
            paired_evidence(
                b.high_projection,
                f,
                norms=(high.norm[m], low.norm[m]),
                weights=(high.weight[m], low.weight[m]),
            )
            for m, (b, f) in enumerate(parts)
        ]
        return (
            high.add_up([t.high for t in told], torch.stack([f.has_high for _, f in parts], dim=1)),
            low.add_up([t.low for t in told], torch.stack([f.has_low for _, f in parts], dim=1)),
        )


def _project(projection: nn.Module, pool: Tensor, *, has_token: Tensor) -> Tensor:
    """Pools (B, K, D_raw) at the common width (B, K, D); zeros where a group is empty (has_token (B, K) False).

    Stays without any group are not computed. The bias of the projection does not speak for an empty group.
    """
    if bool(has_token.all()):
        return projection(pool)
    here = has_token.any(dim=1)
    if bool(here.all()):
        return projection(pool).masked_fill(~has_token.unsqueeze(-1), 0.0)
    some = projection(pool[here]).masked_fill(~has_token[here].unsqueeze(-1), 0.0)
    empty = some.new_zeros(len(pool), *some.shape[1:])
    return empty.index_copy(0, here.nonzero().squeeze(1), some)
