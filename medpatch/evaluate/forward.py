"""Networks over a split: batches in, one logit matrix per model out."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medpatch.config.name import Modality
from medpatch.contract.batch import Batch
from medpatch.evaluate.name import LATE, unimodal

Progress = Callable[[int, int], None]
Floats = NDArray[np.floating]
Forward = Callable[[Batch], Mapping[str, Tensor]]
"""A batch to model name -> (B, K) logits."""


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
    forwards: Iterable[Forward],
    loader: Iterable[Batch],
    *,
    prevalence: Floats,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> SplitLogits:
    """Run the models over a split once.

    Args:
        forwards: each turns a Batch into model name -> (B, K) logits.
        loader: batches in a fixed order.
        prevalence: (K,) share of positive train stays, said where a unimodal model has no input.
        device: where the models are.
        progress: called with (batches done, batches).
    """
    forwards = tuple(forwards)
    parts: dict[str, list[np.ndarray]] = {}
    total = len(loader) if hasattr(loader, "__len__") else 0
    with torch.inference_mode():
        for done, batch in enumerate(loader, start=1):
            here = batch.to(device)
            found = {name: logit for forward in forwards for name, logit in forward(here).items()}
            for name, logit in found.items():
                parts.setdefault(f"logit/{name}", []).append(logit.double().cpu().numpy())
            for name in ("stay_id", "subject_id", "label", "presence"):
                parts.setdefault(name, []).append(getattr(batch, name).cpu().numpy())
            modalities = batch.modalities
            if progress is not None:
                progress(done, total)
    joined = {name: np.concatenate(part) for name, part in parts.items()}
    logit = {n.removeprefix("logit/"): v for n, v in joined.items() if n.startswith("logit/")}
    return _with_absent_stays(joined, logit, modalities=modalities, prevalence=prevalence)


def _with_absent_stays(
    joined: Mapping[str, np.ndarray],
    logit: dict[str, Floats],
    *,
    modalities: tuple[Modality, ...],
    prevalence: Floats,
) -> SplitLogits:
    presence = joined["presence"].astype(bool)  # (N, M)
    everyone = np.ones(len(presence), bool)
    prior = np.log(prevalence) - np.log1p(-prevalence)  # (K,)
    is_available = dict.fromkeys(logit, everyone)
    total, heard = np.zeros_like(joined["label"], float), np.zeros((len(presence), 1))
    for column, modality in enumerate(modalities):
        name, here = unimodal(modality), presence[:, column]
        if name not in logit:
            continue
        is_available[name] = here
        total += np.where(here[:, None], logit[name], 0.0)
        heard += here[:, None]
        logit[name] = np.where(here[:, None], logit[name], prior)
    if heard.any():
        # Deviates: the published late fusion also averages over absent modalities
        logit[LATE] = np.where(heard > 0, total / np.maximum(heard, 1), prior)
        is_available[LATE] = everyone
    return SplitLogits(
        stay_id=joined["stay_id"].astype(np.int64),
        subject_id=joined["subject_id"].astype(np.int64),
        label=joined["label"].astype(np.int8),
        logit=logit,
        is_available=is_available,
    )
