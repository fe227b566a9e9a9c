"""Reliability curve of several training seeds: each one, and their mean with intervals."""

from collections.abc import Sequence

import numpy as np

from medpatch.config.train import EvaluateConfig
from medpatch.evaluate.band import MOST_RESAMPLES, ends
from medpatch.evaluate.bootstrap import draw_subjects
from medpatch.evaluate.calibration import Reliability, point_of, reliability
from medpatch.evaluate.prediction import SplitPrediction
from medpatch.evaluate.replicate import draw_runs, mean_of_drawn, summed


def mean_reliability(
    runs: Sequence[SplitPrediction], model: str, *, config: EvaluateConfig
) -> tuple[Reliability, list[Reliability]]:
    """The mean over the runs, point by point, and the curve of each run; all stay-label pairs together.

    An interval is the wider of Wilson's, which knows what to say of a point without positives, and of that over
    resampled patients and runs, with every pair kept at its point. Runs that form fewer points than others because
    of equal probabilities are cut there. Points of fewer than `config.min_count` pairs in some run are left out;
    where all would have so few, there are fewer points.

    Args:
        runs: one per training seed, the same stays.
        model: which.
        config: points, smallest count, resamples, level, seed.
    """
    resamples = min(config.bootstrap_resamples, MOST_RESAMPLES)
    draws = draw_subjects(runs[0].subject_id, resamples=resamples, seed=config.seed)
    drawn = draw_runs(len(runs), resamples=resamples, seed=config.seed)
    label = runs[0].label.astype(float)
    wanted = max(1, min(config.calibration_bins, label.size // config.min_count))
    curves, shares = [], []
    for run in runs:
        probability = run.models[model].probability
        curves.append(reliability(probability.ravel(), label.ravel(), points=wanted))
        place = point_of(probability.ravel(), points=wanted).reshape(label.shape)
        inside = [place == point for point in range(len(curves[-1].count))]
        positive = summed(np.column_stack([(label * here).sum(axis=1) for here in inside]), draws)
        pairs = summed(np.column_stack([here.sum(axis=1).astype(float) for here in inside]), draws)
        with np.errstate(invalid="ignore", divide="ignore"):
            shares.append(positive / pairs)
    points = min(len(curve.count) for curve in curves)
    many = np.all([curve.count[:points] >= config.min_count for curve in curves], axis=0)
    around = ends(mean_of_drawn(np.stack([s[:, :points][:, many] for s in shares]), drawn), level=config.interval_level)

    def mean(name: str) -> np.ndarray:
        return np.mean([getattr(curve, name)[:points][many] for curve in curves], axis=0)

    return (
        Reliability(
            predicted=mean("predicted"),
            observed=mean("observed"),
            low=np.fmin(mean("low"), around.low),
            high=np.fmax(mean("high"), around.high),
            count=curves[0].count[:points][many],
        ),
        [_only(curve, config.min_count) for curve in curves],
    )


def _only(curve: Reliability, smallest: int) -> Reliability:
    """The points with at least so many pairs."""
    many = curve.count >= smallest
    return Reliability(**{name: value[many] for name, value in vars(curve).items()})
