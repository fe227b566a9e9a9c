"""Stacked late fusion: the unimodal predictions added up as MedPatch adds up its heads."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from medpatch.config.name import Modality, Split
from medpatch.evaluate.forward import Floats, SplitLogits
from medpatch.evaluate.name import STACKING, unimodal
from medpatch.model.evidence import EvidenceSum, prior_logit


def add_stacking(
    splits: Mapping[Split, SplitLogits], modalities: Sequence[Modality], *, prevalence: Floats
) -> dict[Split, SplitLogits]:
    """The splits with the rival "stacking" beside the unimodal models that it is made of.

    It sees no token and no pool, but has the same help from val as MedPatch: what MedPatch is better by, its late
    head alone does not explain.

    Args:
        splits: logits of the stage-1 models; weights are fitted on `Split.VAL`, none of whose stays trained them.
        modalities: theirs.
        prevalence: (K,) share of positive train stays.

    Source: see `EvidenceSum`.
    """
    names = [unimodal(m) for m in modalities]
    val = splits[Split.VAL]
    stacked = EvidenceSum(prior_logit(torch.from_numpy(prevalence)).double(), len(names))
    stacked.fit(*_heads(val, names), torch.from_numpy(val.label))
    return {
        split: replace(
            found,
            logit={**found.logit, STACKING: stacked(*_heads(found, names)).numpy()},
            is_available={**found.is_available, STACKING: np.ones(len(found.stay_id), bool)},
        )
        for split, found in splits.items()
    }


def _heads(found: SplitLogits, names: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Logits (N, H, K) and who has input (N, H)."""
    return (
        torch.from_numpy(np.stack([found.logit[name] for name in names], axis=1)),
        torch.from_numpy(np.stack([found.is_available[name] for name in names], axis=1)),
    )
