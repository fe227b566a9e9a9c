"""One model on one set of stays: every number that the report prints."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medpatch.config.train import EvaluateConfig
from medpatch.evaluate.bootstrap import (
    Draws,
    Replicates,
    draw_subjects,
    macro_replicates,
    percentile_interval,
    replicate,
)
from medpatch.evaluate.calibration import Recalibration, expected_calibration_error, recalibrate
from medpatch.evaluate.metric import brier, macro, rank_metrics
from medpatch.evaluate.name import PHENOTYPE_GROUP, Group
from medpatch.evaluate.prediction import SplitPrediction

Progress = Callable[[int, int], None]
Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Estimate:
    """A number with its percentile interval over patients.

    Attributes:
        value: on the split itself; NaN if it does not exist.
        low: lower end.
        high: upper end.
        resamples: resamples in which it exists.
    """

    value: float
    low: float
    high: float
    resamples: int


@dataclass(frozen=True)
class Score:
    """What is known of one label, or of the macro mean over several.

    Attributes:
        name: label, "macro", or a group of labels.
        group: acute, mixed, chronic or None.
        labels: labels with both classes, over which the ranking metrics are averaged.
        labels_total: labels asked for.
        positives: positive stay-label pairs.
        auroc: with interval.
        auprc: with interval.
        brier: mean squared error.
        ece: expected calibration error.
        slope: calibration slope.
        intercept: calibration in the large.
    """

    name: str
    group: str | None
    labels: int
    labels_total: int
    positives: int
    auroc: Estimate
    auprc: Estimate
    brier: float
    ece: float
    slope: float
    intercept: float


@dataclass(frozen=True)
class ModelResult:
    """One model on one set of stays.

    Attributes:
        model: name in the prediction table.
        subset: "all", or the modality that these stays have.
        stays: N.
        subjects: distinct patients.
        available: stays for which the model had an input.
        macro: over all labels; for one label the label itself.
        groups: acute, mixed and chronic for phenotyping, else empty.
        labels: one per label.
        difference: macro AUROC minus that of the best single modality, on the same resamples.
        oracle_auroc: macro AUROC of the best possible model with the same inputs; made-up data only.
        gap_closed: share of the way from the best single modality to the oracle of all; made-up data only.
    """

    model: str
    subset: str
    stays: int
    subjects: int
    available: int
    macro: Score
    groups: tuple[Score, ...]
    labels: tuple[Score, ...]
    difference: Estimate | None = None
    oracle_auroc: float | None = None
    gap_closed: float | None = None


@dataclass(frozen=True)
class Judged:
    """A result and the resamples behind it, for paired comparison."""

    result: ModelResult
    replicates: Replicates


def judge_models(
    prediction: SplitPrediction,
    models: tuple[str, ...],
    config: EvaluateConfig,
    *,
    subset: str = "all",
    rows: NDArray[np.bool_] | None = None,
    progress: Progress | None = None,
) -> dict[str, Judged]:
    """Every model on the same stays and the same resamples.

    Args:
        prediction: of one split.
        models: which, in the order of the answer.
        config: resamples, level, bins, seed.
        subset: name of the set of stays.
        rows: (N,) which stays; default all.
        progress: called with (models done, models).
    """
    rows = np.ones(len(prediction.stay_id), bool) if rows is None else rows
    draws = draw_subjects(prediction.subject_id[rows], resamples=config.bootstrap_resamples, seed=config.seed)
    judged = {}
    for done, model in enumerate(models, start=1):
        judged[model] = _judge(prediction, model, config, subset=subset, rows=rows, draws=draws)
        if progress is not None:
            progress(done, len(models))
    return judged


def with_difference(judged: Judged, rival: Judged, *, level: float) -> ModelResult:
    """The result with its macro AUROC minus the rival's, paired over the shared resamples."""
    gap = macro_replicates(judged.replicates.auroc) - macro_replicates(rival.replicates.auroc)
    value = judged.result.macro.auroc.value - rival.result.macro.auroc.value
    return replace(judged.result, difference=_estimate(value, gap, level=level))


def _judge(
    prediction: SplitPrediction,
    model: str,
    config: EvaluateConfig,
    *,
    subset: str,
    rows: NDArray[np.bool_],
    draws: Draws,
) -> Judged:
    found, label = prediction.models[model], prediction.label[rows]
    logit, probability = found.logit[rows], found.probability[rows]
    replicates = replicate(logit, label, draws)
    names = prediction.label_names
    is_phenotyping = all(name in PHENOTYPE_GROUP for name in names)
    ranked = rank_metrics(logit, label)
    points = _Points(
        auroc=ranked.auroc,
        auprc=ranked.auprc,
        brier=brier(probability, label),
        ece=expected_calibration_error(probability, label, bins=config.calibration_bins),
        recalibration=recalibrate(logit, label),
        positives=label.sum(axis=0, dtype=int),
    )

    def score(name: str, columns: list[int], group: str | None = None) -> Score:
        return _score(points, replicates, columns, name=name, group=group, level=config.interval_level)

    groups: tuple[Score, ...] = ()
    if is_phenotyping:
        groups = tuple(
            score(str(g), [k for k, name in enumerate(names) if PHENOTYPE_GROUP[name] is g], str(g)) for g in Group
        )
    result = ModelResult(
        model=model,
        subset=subset,
        stays=len(label),
        subjects=len(draws.count),
        available=int(found.is_available[rows].sum()),
        macro=score("macro", list(range(len(names)))),
        groups=groups,
        labels=tuple(
            score(name, [k], str(PHENOTYPE_GROUP[name]) if is_phenotyping else None) for k, name in enumerate(names)
        ),
    )
    return Judged(result, replicates)


@dataclass(frozen=True)
class _Points:
    auroc: Floats
    auprc: Floats
    brier: Floats
    ece: Floats
    recalibration: Recalibration
    positives: NDArray[np.integer]


def _score(
    points: _Points, replicates: Replicates, columns: list[int], *, name: str, group: str | None, level: float
) -> Score:
    ranked = macro(points.auroc[columns])
    return Score(
        name=name,
        group=group,
        labels=ranked.defined,
        labels_total=ranked.total,
        positives=int(points.positives[columns].sum()),
        auroc=_estimate(ranked.value, macro_replicates(replicates.auroc[:, columns]), level=level),
        auprc=_estimate(
            macro(points.auprc[columns]).value, macro_replicates(replicates.auprc[:, columns]), level=level
        ),
        brier=macro(points.brier[columns]).value,
        ece=macro(points.ece[columns]).value,
        slope=macro(points.recalibration.slope[columns]).value,
        intercept=macro(points.recalibration.intercept[columns]).value,
    )


def _estimate(value: float, resampled: Floats, *, level: float) -> Estimate:
    interval = percentile_interval(resampled, level=level)
    return Estimate(value=value, low=interval.low, high=interval.high, resamples=interval.defined)
