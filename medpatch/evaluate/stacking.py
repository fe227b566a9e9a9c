"""Stacked late fusion: the unimodal predictions added up as MedPatch adds up its heads."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from medpatch.config.name import Modality, Split
from medpatch.evaluate.forward import Floats, SplitLogits
from medpatch.evaluate.name import LATE, STACKING, unimodal
from medpatch.model.evidence import EvidenceSum, prior_logit

FOLDS = 5


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
    fitted = {
        split: replace(
            found,
            logit={**found.logit, STACKING: _logit(stacked, found, names)},
            is_available={**found.is_available, STACKING: np.ones(len(found.stay_id), bool)},
        )
        for split, found in splits.items()
    }
    return fitted | {Split.VAL: left_out(fitted[Split.VAL], STACKING, stacked, *_heads(val, names))}


def left_out(val: SplitLogits, model: str, evidence: EvidenceSum, logits: Tensor, present: Tensor) -> SplitLogits:
    """The val split with the predictions of a fitted sum as if each patient had had no say in it.

    Args:
        val: the split on which it was fitted.
        model: whose logits are replaced.
        evidence: the fitted sum of that model.
        logits: (N, H, K) of its heads.
        present: (N, H) which of them have input.
    """
    place = [
        int(hashlib.md5(f"fold:{subject}".encode()).hexdigest(), 16) % FOLDS for subject in val.subject_id.tolist()
    ]
    label = torch.from_numpy(val.label)
    found = evidence.out_of_fold(logits, present, label, fold=torch.tensor(place)).numpy()
    return replace(val, logit={**val.logit, model: np.where(evidence.is_fitted.numpy(), found, val.logit[model])})


def _logit(stacked: EvidenceSum, found: SplitLogits, names: Sequence[str]) -> Floats:
    """(N, K); the plain mean for labels that could not be fitted."""
    return np.where(stacked.is_fitted.numpy(), stacked(*_heads(found, names)).numpy(), found.logit[LATE])


def _heads(found: SplitLogits, names: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Logits (N, H, K) and who has input (N, H)."""
    return (
        torch.from_numpy(np.stack([found.logit[name] for name in names], axis=1)),
        torch.from_numpy(np.stack([found.is_available[name] for name in names], axis=1)),
    )
