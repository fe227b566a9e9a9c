"""What acting on a prediction would bring: operating points fixed on validation, and net benefit."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from medpatch.config.train import EvaluateConfig
from medpatch.evaluate.bootstrap import Draws, draw_subjects, macro_replicates
from medpatch.evaluate.estimate import Estimate, estimate
from medpatch.evaluate.metric import macro
from medpatch.evaluate.prediction import SplitPrediction
from medpatch.evaluate.replicate import draw_runs, mean_of_drawn, summed

Floats = NDArray[np.floating]


class Fixed(StrEnum):
    """What a threshold is chosen to reach on validation."""

    SENSITIVITY = "sensitivity"
    ALERT_RATE = "alert rate"


@dataclass(frozen=True)
class OperatingPoint:
    """One model at one threshold per label, on test; macro over the labels that have a value.

    Attributes:
        model: which.
        fixed: what the threshold reached on validation.
        target: how much of it.
        labels: labels that have a threshold and a value on test.
        sensitivity: share of positives that are alerted for.
        specificity: share of negatives that are not.
        ppv: share of alerts that are right.
        npv: share of the other stays that are negative.
        alert_rate: share of stays that are alerted for.
    """

    model: str
    fixed: Fixed
    target: float
    labels: int
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate
    npv: Estimate
    alert_rate: Estimate


MEASURES = ("sensitivity", "specificity", "ppv", "npv", "alert_rate")


def thresholds(logit: Floats, label: NDArray, *, fixed: Fixed, target: float) -> Floats:
    """(K,) highest logit at which at least `target` of the positives, or of all stays, score as high; NaN without any.

    Args:
        logit: (N, K) of validation.
        label: (N, K) 0 or 1.
        fixed: sensitivity counts positives, the alert rate all stays (at most `target` of them).
        target: share.
    """
    found = np.full(logit.shape[1], np.nan)
    for k in range(logit.shape[1]):
        if fixed is Fixed.SENSITIVITY:
            among = np.sort(logit[np.asarray(label[:, k]) > 0, k])[::-1]
            if len(among):
                found[k] = among[int(np.ceil(target * len(among) - 1e-9)) - 1]
        else:
            ordered = np.sort(logit[:, k])[::-1]
            # stays with equal logits are alerted together: go up until no more than the target are
            steps, first = np.unique(-ordered, return_index=True)
            upto = np.append(first[1:], len(ordered))
            fits = upto <= target * len(ordered) + 1e-9
            found[k] = -steps[fits][-1] if fits.any() else np.inf
    return found


def operating_points(
    val: Sequence[SplitPrediction], test: Sequence[SplitPrediction], *, models: Sequence[str], config: EvaluateConfig
) -> tuple[OperatingPoint, ...]:
    """Every model at every configured point; thresholds come from validation, numbers from test.

    With one label, the rates of a point whose positives, negatives, alerts or other stays are from 1 to below
    `config.min_count` are NaN: together they tell how many there are.

    Args:
        val: one per training seed.
        test: of the same runs; several are averaged, and drawn with the patients.
        models: which.
        config: points, resamples, level, seed.
    """
    draws = draw_subjects(test[0].subject_id, resamples=config.bootstrap_resamples, seed=config.seed)
    drawn = draw_runs(len(test), resamples=config.bootstrap_resamples, seed=config.seed)
    targets = [(Fixed.SENSITIVITY, t) for t in config.sensitivities]
    targets += [(Fixed.ALERT_RATE, t) for t in config.alert_rates]
    found = []
    for fixed, target in targets:
        for model in models:
            measured = [
                _measure(chosen, judged, model=model, fixed=fixed, target=target, draws=draws)
                for chosen, judged in zip(val, test, strict=True)
            ]
            estimates = {
                name: estimate(
                    float(np.mean([macro(one.value[name]).value for one in measured])),
                    mean_of_drawn(np.stack([macro_replicates(one.resampled[name]) for one in measured]), drawn),
                    level=config.interval_level,
                )
                for name in MEASURES
            }
            labels = int(np.isfinite(measured[0].value["sensitivity"]).sum())
            if labels == 1 and any(one.fewest < config.min_count for one in measured):
                estimates = dict.fromkeys(MEASURES, Estimate(np.nan, np.nan, np.nan, 0))
            found.append(OperatingPoint(model=model, fixed=fixed, target=target, labels=labels, **estimates))
    return tuple(found)


def net_benefit(probability: Floats, label: NDArray, *, threshold: Floats) -> Floats:
    """(P,) benefit per stay of acting where probability (N,) reaches each threshold (P,), in true positives.

    Source: Vickers and Elkin 2006 (doi:10.1177/0272989X06295361): TP / n - FP / n * t / (1 - t).
    """
    is_positive = np.asarray(label) > 0
    alerted = probability[:, None] >= threshold
    true, false = alerted[is_positive].sum(axis=0), alerted[~is_positive].sum(axis=0)
    return (true - false * threshold / (1 - threshold)) / len(label)


def net_benefit_of_all(label: NDArray, threshold: Floats) -> Floats:
    """(P,) the same for acting on every stay."""
    prevalence = float(np.mean(np.asarray(label) > 0))
    return prevalence - (1 - prevalence) * threshold / (1 - threshold)


@dataclass(frozen=True)
class _Measured:
    """Measure -> (K,) on test and (R, K) in the resamples, and the fewest stays, not 0, that a rate is of."""

    value: dict[str, Floats]
    resampled: dict[str, Floats]
    fewest: float


def _measure(
    val: SplitPrediction, test: SplitPrediction, *, model: str, fixed: Fixed, target: float, draws: Draws
) -> _Measured:
    limit = thresholds(val.models[model].logit, val.label, fixed=fixed, target=target)
    alert = test.models[model].logit >= limit
    is_positive = test.label > 0
    cells = np.stack([alert & is_positive, alert & ~is_positive, ~alert & is_positive, ~alert & ~is_positive])
    labels = test.label.shape[1]
    whole = cells.sum(axis=1).astype(float)
    drawn = summed(cells.transpose(1, 0, 2).reshape(len(alert), -1).astype(float), draws)
    resampled = drawn.reshape(-1, 4, labels).transpose(1, 0, 2)
    hit, false, missed, quiet = whole
    sizes = np.stack([hit + missed, false + quiet, hit + false, missed + quiet])[:, ~np.isnan(limit)]
    # a label without a threshold has no operating point
    return _Measured(
        value=_rates(np.where(np.isnan(limit), np.nan, whole)),
        resampled=_rates(np.where(np.isnan(limit), np.nan, resampled)),
        fewest=float(np.min(sizes, initial=np.inf, where=sizes > 0)),
    )


def _rates(cells: Floats) -> dict[str, Floats]:
    hit, false, missed, quiet = cells.astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "sensitivity": hit / (hit + missed),
            "specificity": quiet / (quiet + false),
            "ppv": hit / (hit + false),
            "npv": quiet / (quiet + missed),
            "alert_rate": (hit + false) / (hit + false + missed + quiet),
        }
