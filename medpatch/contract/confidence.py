"""confidence_report.json: how sure a modality's tokens are, and how right; written by training, read by the report.

Aggregates over the held-out tokens of the validation split; no stay and no token is in it.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from medpatch.config.error import CheckpointError

CONFIDENCE_REPORT = "confidence_report.json"
"""In the folder of a modality's confidence stage, beside its weights."""
BINS = 10
"""Of confidence, equal in width over [0.5, 1]."""

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class LabelConfidence:
    """The tokens of one modality for one label.

    Attributes:
        label: name.
        tokens: held-out tokens.
        positive_tokens: of stays with the label.
        temperature: that the distance of the logits from the scorer's centre is divided by.
        high_share: share of tokens in the high-confidence part.
        high_share_positive: the same among the tokens of stays with the label; None without any.
        high_share_negative: among those without; None without any.
        accuracy_high: share of high tokens whose 0.5 decision is right; None without any.
        accuracy_low: of the others.
        ece_before: expected calibration error of the tokens with temperature 1.
        ece_after: with the temperature.
        nll_before: mean cross-entropy with temperature 1, nats.
        nll_after: with the temperature.
        bin_count: (BINS,) tokens by confidence after temperature.
        bin_confidence: (BINS,) their mean confidence; None in an empty bin.
        bin_accuracy: (BINS,) share whose 0.5 decision is right; None in an empty bin.
        bin_count_before: (BINS,) the same three with temperature 1; empty where they were not counted.
        bin_confidence_before: (BINS,).
        bin_accuracy_before: (BINS,).
        accuracy_high_prior: share of high tokens whose decision at the train prevalence is right, which is positive
            where a token says more than that; None without any, or where it was not counted.
        accuracy_low_prior: of the others.
    """

    label: str
    tokens: int
    positive_tokens: int
    temperature: float
    high_share: float | None
    high_share_positive: float | None
    high_share_negative: float | None
    accuracy_high: float | None
    accuracy_low: float | None
    ece_before: float | None
    ece_after: float | None
    nll_before: float | None
    nll_after: float | None
    bin_count: tuple[int, ...]
    bin_confidence: tuple[float | None, ...]
    bin_accuracy: tuple[float | None, ...]
    bin_count_before: tuple[int, ...] = ()
    bin_confidence_before: tuple[float | None, ...] = ()
    bin_accuracy_before: tuple[float | None, ...] = ()
    accuracy_high_prior: float | None = None
    accuracy_low_prior: float | None = None


@dataclass(frozen=True)
class ConfidenceReport:
    """One modality.

    Attributes:
        modality: which.
        stays: held-out stays of the validation split that the tokens come from.
        labels: one entry per label, in tensor order.
    """

    modality: str
    stays: int
    labels: tuple[LabelConfidence, ...]


def measure_confidence(
    logit: Floats,
    label: NDArray,
    *,
    scaled: Floats,
    is_high: NDArray[np.bool_],
    temperature: Floats,
    prior_logit: Floats,
    label_names: Sequence[str],
) -> tuple[LabelConfidence, ...]:
    """What a report says of R held-out tokens.

    Args:
        logit: (R, K) of the tokens, before temperature.
        label: (R, K) 0 or 1, of each token's stay.
        scaled: (R, K) the same after temperature.
        is_high: (R, K) whether the token is in the high-confidence part.
        temperature: (K,), the mean over positions where there are several; only reported.
        prior_logit: (K,) log-odds of the train prevalence.
        label_names: K names.
    """
    before, after = expit(logit.astype(float)), expit(scaled.astype(float))
    return tuple(
        _one_label(
            before[:, k],
            after[:, k],
            is_positive=np.asarray(label[:, k]) > 0,
            is_high=is_high[:, k],
            name=name,
            temperature=float(temperature[k]),
            is_over_prior=scaled[:, k] > prior_logit[k],
        )
        for k, name in enumerate(label_names)
    )


def write_confidence(folder: Path, report: ConfidenceReport) -> Path:
    """Write the report into a folder that is being made."""
    path = folder / CONFIDENCE_REPORT
    path.write_text(json.dumps(asdict(report), indent=1))
    return path


def read_confidence(checkpoint_dir: Path) -> tuple[ConfidenceReport, ...]:
    """Every report below the folder, by path; folders that are still being written are left out.

    Raises:
        CheckpointError: a report is unreadable.
    """
    found = []
    for path in sorted(checkpoint_dir.rglob(CONFIDENCE_REPORT)):
        if any(part.startswith(".") for part in path.relative_to(checkpoint_dir).parts):
            continue
        try:
            text = json.loads(path.read_text())
            labels = tuple(
                LabelConfidence(**{k: tuple(v) if isinstance(v, list) else v for k, v in one.items()})
                for one in text["labels"]
            )
            found.append(ConfidenceReport(modality=text["modality"], stays=text["stays"], labels=labels))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise CheckpointError(f"{path}: unreadable ({error}); train the confidence stage again") from error
    return tuple(found)


def _one_label(
    before: Floats,
    after: Floats,
    *,
    is_positive: NDArray[np.bool_],
    is_high: NDArray[np.bool_],
    name: str,
    temperature: float,
    is_over_prior: NDArray[np.bool_],
) -> LabelConfidence:
    is_right = (after >= 0.5) == is_positive
    return LabelConfidence(
        label=name,
        tokens=len(after),
        positive_tokens=int(is_positive.sum()),
        temperature=temperature,
        high_share=_mean(is_high),
        high_share_positive=_mean(is_high[is_positive]),
        high_share_negative=_mean(is_high[~is_positive]),
        accuracy_high=_mean(is_right[is_high]),
        accuracy_low=_mean(is_right[~is_high]),
        ece_before=_ece(before, is_positive),
        ece_after=_ece(after, is_positive),
        nll_before=_nll(before, is_positive),
        nll_after=_nll(after, is_positive),
        accuracy_high_prior=_mean((is_over_prior == is_positive)[is_high]),
        accuracy_low_prior=_mean((is_over_prior == is_positive)[~is_high]),
        **_bins(after, is_positive),
        **{f"{name}_before": value for name, value in _bins(before, is_positive).items()},
    )


def _bins(probability: Floats, is_positive: NDArray[np.bool_]) -> dict[str, tuple]:
    """How many tokens each bin of confidence has, how sure they are and how right."""
    confidence = np.maximum(probability, 1 - probability)
    is_right = (probability >= 0.5) == is_positive
    place = np.clip(np.floor((confidence - 0.5) * 2 * BINS).astype(int), 0, BINS - 1)
    return {
        "bin_count": tuple(np.bincount(place, minlength=BINS).tolist()),
        "bin_confidence": tuple(_mean(confidence[place == b]) for b in range(BINS)),
        "bin_accuracy": tuple(_mean(is_right[place == b]) for b in range(BINS)),
    }


def _ece(probability: Floats, is_positive: NDArray[np.bool_]) -> float | None:
    if not len(probability):
        return None
    confidence = np.maximum(probability, 1 - probability)
    gap = confidence - ((probability >= 0.5) == is_positive)
    place = np.clip(np.ceil((confidence - 0.5) * 2 * BINS).astype(int) - 1, 0, BINS - 1)
    return float(np.abs(np.bincount(place, weights=gap, minlength=BINS)).sum() / len(gap))


def _nll(probability: Floats, is_positive: NDArray[np.bool_]) -> float | None:
    said = np.where(is_positive, probability, 1 - probability)
    return _mean(-np.log(np.maximum(said, 1e-12)))


def _mean(value: NDArray) -> float | None:
    return float(np.mean(value)) if len(value) else None
