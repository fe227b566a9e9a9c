"""What is left of MedPatch when a modality is taken away from a growing share of stays."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpatch.config.name import Modality
from medpatch.config.train import EvaluateConfig
from medpatch.evaluate.bootstrap import Draws, draw_subjects, macro_replicates, replicate
from medpatch.evaluate.estimate import Estimate, estimate
from medpatch.evaluate.metric import auroc, macro
from medpatch.evaluate.name import MEDPATCH, WITHOUT_PREFIX
from medpatch.evaluate.prediction import SplitPrediction
from medpatch.evaluate.replicate import draw_runs, mean_of_drawn

LATE_HEAD = f"{MEDPATCH}_late"

Floats = NDArray[np.floating]
PredictWithout = Callable[[str, float, int], Floats]
"""(modality, share of the stays that lose it, seed) -> (N, K) logits."""


@dataclass(frozen=True)
class DropCurve:
    """MedPatch without one modality, for growing shares of the stays that have it.

    Attributes:
        modality: which.
        stays: stays that have it.
        share: of them that lose it, ascending.
        auroc: macro AUROC at each share, over all stays of the split.
    """

    modality: str
    stays: int
    share: tuple[float, ...]
    auroc: tuple[Estimate, ...]


def drop_curve(
    predict_without: Sequence[PredictWithout],
    modality: str,
    *,
    prediction: SplitPrediction,
    stays: int,
    config: EvaluateConfig,
    draws: Draws | None = None,
) -> DropCurve:
    """The curve of one modality.

    Args:
        predict_without: of each training seed, logits of the stays of `prediction`, in its order.
        modality: which.
        prediction: labels and patients.
        stays: stays that have the modality.
        config: shares, resamples, level, seed.
        draws: of the patients; default as in every other interval.
    """
    draws = draws or draw_subjects(prediction.subject_id, resamples=config.bootstrap_resamples, seed=config.seed)
    drawn = draw_runs(len(predict_without), resamples=draws.count.shape[1], seed=config.seed)
    points = []
    for share in config.drop_shares:
        found = [predict(modality, share, config.seed) for predict in predict_without]
        value = float(np.mean([macro(auroc(logit, prediction.label)).value for logit in found]))
        each = [macro_replicates(replicate(logit, prediction.label, draws=draws).auroc) for logit in found]
        resampled = mean_of_drawn(np.stack(each), drawn)
        points.append(estimate(value, resampled, level=config.interval_level))
    return DropCurve(modality=modality, stays=stays, share=config.drop_shares, auroc=tuple(points))


def from_rows(prediction: SplitPrediction, presence: Mapping[Modality, NDArray[np.bool_]]) -> PredictWithout:
    """The callable made of the rows "medpatch_without_<modality>", which lack the modality for every stay.

    A stay's logits do not depend on the other stays of its batch, so a share of the stays is a choice between
    two rows. The stays that lose the modality at one share also lose it at every larger one. The rows are of
    the late head, whichever head is reported.

    Args:
        prediction: with the rows of MedPatch and of MedPatch without each modality.
        presence: modality -> (N,) which stays have it to lose.
    """
    whole = prediction.models[LATE_HEAD if LATE_HEAD in prediction.models else MEDPATCH].logit

    def predict_without(modality: str, share: float, seed: int) -> Floats:
        order = np.random.default_rng(seed).permutation(len(whole))
        losing = order[presence[Modality(modality)][order]]
        losing = losing[: round(share * len(losing))]
        logit = whole.copy()
        logit[losing] = prediction.models[f"{WITHOUT_PREFIX}{modality}"].logit[losing]
        return logit

    return predict_without


def drop_curves(
    runs: Sequence[SplitPrediction], presence: Mapping[Modality, NDArray[np.bool_]], *, config: EvaluateConfig
) -> tuple[DropCurve, ...]:
    """One curve per modality that some stay has and that the predictions were also made without; mean over the runs."""
    prediction = runs[0]
    there = [m for m in presence if f"{WITHOUT_PREFIX}{m}" in prediction.models and presence[m].any()]
    if MEDPATCH not in prediction.models or not there:
        return ()
    draws = draw_subjects(prediction.subject_id, resamples=config.bootstrap_resamples, seed=config.seed)
    predict_without = [from_rows(run, presence) for run in runs]
    return tuple(
        drop_curve(
            predict_without, str(m), prediction=prediction, stays=int(presence[m].sum()), config=config, draws=draws
        )
        for m in there
    )
