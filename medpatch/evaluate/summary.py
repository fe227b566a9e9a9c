"""One model on one set of stays: every number that the report prints."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from medpatch.config.train import EvaluateConfig
from medpatch.evaluate.bootstrap import Draws, draw_subjects, macro_replicates
from medpatch.evaluate.calibration import Recalibration, expected_calibration_error, recalibrate
from medpatch.evaluate.estimate import Estimate, estimate, estimates
from medpatch.evaluate.metric import brier, macro, rank_metrics
from medpatch.evaluate.name import PHENOTYPE_GROUP, Group
from medpatch.evaluate.prediction import SplitPrediction
from medpatch.evaluate.replicate import METRICS, Replicates, draw_runs, over_runs, replicate_all

Progress = Callable[[int, int], None]
Floats = NDArray[np.floating]


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
        brier: mean squared error, with interval.
        ece: expected calibration error, with interval.
        slope: calibration slope, with interval.
        intercept: calibration in the large, with interval.
    """

    name: str
    group: str | None
    labels: int
    labels_total: int
    positives: int
    auroc: Estimate
    auprc: Estimate
    brier: Estimate
    ece: Estimate
    slope: Estimate
    intercept: Estimate


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
        by_run: macro AUROC of each run (training seed), in the order of the runs.
        difference: macro AUROC minus that of the best single modality, on the same resamples.
        oracle_auroc: macro AUROC of the best possible model with the same inputs; made-up data only.
        gap_closed: share of the way from the strongest single modality to the oracle of all; made-up data only.
    """

    model: str
    subset: str
    stays: int
    subjects: int
    available: int
    macro: Score
    groups: tuple[Score, ...]
    labels: tuple[Score, ...]
    by_run: tuple[float, ...]
    difference: Estimate | None = None
    oracle_auroc: float | None = None
    gap_closed: float | None = None


@dataclass(frozen=True)
class Judged:
    """A result and the resamples behind it, for paired comparison."""

    result: ModelResult
    replicates: Replicates


def judge_models(
    runs: Sequence[SplitPrediction],
    models: tuple[str, ...],
    *,
    config: EvaluateConfig,
    subset: str = "all",
    rows: NDArray[np.bool_] | None = None,
    progress: Progress | None = None,
) -> dict[str, Judged]:
    """Every model on the same stays and the same resamples; with several runs, the mean over them.

    Args:
        runs: predictions of one split for the same stays, one per training seed.
        models: which, in the order of the answer.
        config: resamples, level, bins, seed.
        subset: name of the set of stays.
        rows: (N,) which stays; default all.
        progress: called with (models done, models).
    """
    rows = np.ones(len(runs[0].stay_id), bool) if rows is None else rows
    draws = draw_subjects(runs[0].subject_id[rows], resamples=config.bootstrap_resamples, seed=config.seed)
    drawn = draw_runs(len(runs), resamples=config.bootstrap_resamples, seed=config.seed)
    judged = {}
    for done, model in enumerate(models, start=1):
        judged[model] = _judge(runs, model, config=config, subset=subset, rows=rows, draws=draws, drawn=drawn)
        if progress is not None:
            progress(done, len(models))
    return judged


def with_difference(judged: Judged, rival: Judged, *, level: float) -> ModelResult:
    """The result with its macro AUROC minus the rival's, paired over the shared resamples."""
    return replace(judged.result, difference=difference(judged, rival, metric="auroc", level=level))


def difference(one: Judged, other: Judged, *, metric: str, level: float) -> Estimate:
    """Macro of one minus the other's, paired over the shared resamples."""
    gap = paired(one, other, metric=metric)
    value = getattr(one.result.macro, metric).value - getattr(other.result.macro, metric).value
    return estimate(value, gap, level=level)


def paired(one: Judged, other: Judged, *, metric: str) -> Floats:
    """(R,) macro of one minus the other's in every resample."""
    return macro_replicates(getattr(one.replicates, metric)) - macro_replicates(getattr(other.replicates, metric))


def _judge(
    runs: Sequence[SplitPrediction],
    model: str,
    *,
    config: EvaluateConfig,
    subset: str,
    rows: NDArray[np.bool_],
    draws: Draws,
    drawn: Floats,
) -> Judged:
    names, label = runs[0].label_names, runs[0].label[rows]
    found = [run.models[model] for run in runs]
    points, each = [], []
    for one in found:
        logit, probability = one.logit[rows], one.probability[rows]
        fitted = recalibrate(logit, label)
        points.append(_points(logit, probability, label=label, fitted=fitted, bins=config.calibration_bins))
        each.append(
            replicate_all(logit, probability, label=label, draws=draws, bins=config.calibration_bins, fitted=fitted)
        )
    replicates = over_runs(each, drawn)
    positives = label.sum(axis=0, dtype=int)
    is_phenotyping = all(name in PHENOTYPE_GROUP for name in names)

    sets = {"macro": list(range(len(names)))}
    if is_phenotyping:
        sets |= {str(g): [k for k, name in enumerate(names) if PHENOTYPE_GROUP[name] is g] for g in Group}
    numbers = _numbers(points, replicates, sets=list(sets.values()), level=config.interval_level)

    def score(place: int, name: str, columns: list[int], group: str | None = None) -> Score:
        ranked = macro(points[0]["auroc"][columns])
        return Score(
            name=name,
            group=group,
            labels=ranked.defined,
            labels_total=ranked.total,
            positives=int(positives[columns].sum()),
            **{metric: found[place] for metric, found in numbers.items()},
        )

    overall, *groups = (score(n, name, columns, name if n else None) for n, (name, columns) in enumerate(sets.items()))
    result = ModelResult(
        model=model,
        subset=subset,
        stays=len(label),
        subjects=len(draws.count),
        available=int(found[0].is_available[rows].sum()),
        macro=overall,
        groups=tuple(groups),
        labels=tuple(
            score(len(sets) + k, name, [k], str(PHENOTYPE_GROUP[name]) if is_phenotyping else None)
            for k, name in enumerate(names)
        ),
        by_run=tuple(macro(point["auroc"]).value for point in points),
    )
    return Judged(result, replicates)


def _numbers(
    points: Sequence[dict[str, Floats]], replicates: Replicates, *, sets: Sequence[list[int]], level: float
) -> dict[str, tuple[Estimate, ...]]:
    """Metric -> the macro mean over each set of labels, then every label, with its interval.

    Deviates: resampling adds to ECE and AUPRC themselves, so their intervals are moved back onto the value.
    """
    found = {}
    for metric in METRICS:
        each = [point[metric] for point in points]
        resampled = getattr(replicates, metric)
        value = [_mean([macro(one[columns]).value for one in each]) for columns in sets]
        value += [_mean(label) for label in zip(*(one.tolist() for one in each), strict=True)]
        means = [macro_replicates(resampled[:, columns]) for columns in sets]
        labels = np.where(np.isfinite(resampled), resampled, np.nan).T
        found[metric] = estimates(
            value,
            np.concatenate([means, labels]),
            level=level,
            is_centred=metric in ("ece", "auprc"),
            is_zero_reached=metric != "auprc",
        )
    return found


def _points(
    logit: Floats, probability: Floats, *, label: NDArray, fitted: Recalibration, bins: int
) -> dict[str, Floats]:
    """Metric -> (K,) on the stays themselves."""
    ranked = rank_metrics(logit, label)
    return {
        "auroc": ranked.auroc,
        "auprc": ranked.auprc,
        "brier": brier(probability, label),
        "ece": expected_calibration_error(probability, label, bins=bins),
        "slope": fitted.slope,
        "intercept": fitted.intercept,
    }


def _mean(value: Sequence[float]) -> float:
    known = [v for v in value if np.isfinite(v)]
    return float(np.mean(known)) if known else float("nan")
