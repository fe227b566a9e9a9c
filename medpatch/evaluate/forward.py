"""Models over a split: stays by index in, one logit matrix per model out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medpatch.evaluate.name import ENSEMBLE, ENSEMBLE_MEMBERS, LATE, unimodal
from medpatch.feature.opening import SplitIndex
from medpatch.model.baseline.ensemble import mean_of_models
from medpatch.model.baseline.late import mean_of_present

Progress = Callable[[int, int], None]
Floats = NDArray[np.floating]
Forward = Callable[[Tensor], Mapping[str, Tensor]]
"""Indices (B,) of stays to model name -> (B, K) logits."""


@dataclass(frozen=True)
class SplitLogits:
    """Logits of every model for the stays of one split.

    Attributes:
        stay_id: (N,).
        subject_id: (N,).
        label: (N, K).
        logit: model name -> (N, K).
        is_available: model name -> (N,) bool.
    """

    stay_id: NDArray[np.int64]
    subject_id: NDArray[np.int64]
    label: NDArray[np.int8]
    logit: Mapping[str, Floats]
    is_available: Mapping[str, NDArray[np.bool_]]


def collect(
    forward: Forward,
    index: SplitIndex,
    *,
    batch_size: int,
    prevalence: Floats,
    with_ensemble: bool = False,
    progress: Progress | None = None,
) -> SplitLogits:
    """Run the models over a split once.

    Args:
        forward: stays by index to model name -> (B, K) logits.
        index: who is in the split.
        batch_size: stays at a time.
        prevalence: (K,) share of positive train stays, said where a unimodal model has no input.
        with_ensemble: add the mean of the early, joint and late models, as many of them as there are.
        progress: called with (batches done, batches).
    """
    parts: dict[str, list[np.ndarray]] = {}
    batches = torch.arange(len(index)).split(batch_size)
    with torch.inference_mode():
        for done, rows in enumerate(batches, start=1):
            for name, logit in forward(rows).items():
                parts.setdefault(name, []).append(logit.double().cpu().numpy())
            if progress is not None:
                progress(done, len(batches))
    logit = {name: np.concatenate(part) for name, part in parts.items()}
    found = _with_absent_stays(index, logit, prevalence=prevalence)
    return _add_ensemble(found) if with_ensemble else found


def _add_ensemble(found: SplitLogits) -> SplitLogits:
    members = [name for name in ENSEMBLE_MEMBERS if name in found.logit]
    logits = torch.from_numpy(np.stack([found.logit[name] for name in members], axis=1))
    present = torch.from_numpy(np.stack([found.is_available[name] for name in members], axis=1))
    mean = mean_of_models(logits, present).numpy()
    return replace(
        found,
        logit={**found.logit, ENSEMBLE: mean},
        is_available={**found.is_available, ENSEMBLE: present.any(dim=1).numpy()},
    )


def _with_absent_stays(index: SplitIndex, logit: dict[str, Floats], *, prevalence: Floats) -> SplitLogits:
    presence = index.presence.numpy()  # (N, M)
    label = index.label.numpy()
    everyone = np.ones(len(presence), bool)
    prior = np.log(prevalence) - np.log1p(-prevalence)  # (K,)
    is_available = dict.fromkeys(logit, everyone)
    heard: list[tuple[Floats, NDArray[np.bool_]]] = []
    for column, modality in enumerate(index.modalities):
        name, here = unimodal(modality), presence[:, column]
        if name not in logit:
            continue
        is_available[name] = here
        heard.append((logit[name], here))
        logit[name] = np.where(here[:, None], logit[name], prior)
    present = np.stack([here for _, here in heard], axis=1) if heard else np.zeros((len(presence), 0), bool)
    if present.any():
        one_by_one = torch.from_numpy(np.stack([value for value, _ in heard], axis=1))  # (N, M, K)
        mean = mean_of_present(one_by_one, torch.from_numpy(present)).numpy()
        logit[LATE] = np.where(present.any(axis=1, keepdims=True), mean, prior)
        is_available[LATE] = everyone
    return SplitLogits(
        stay_id=index.stay_id.numpy(),
        subject_id=index.subject_id.numpy(),
        label=label.astype(np.int8),
        logit=logit,
        is_available=is_available,
    )
