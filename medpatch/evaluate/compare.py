"""MedPatch beside every other model: paired differences, p-values, and their correction for multiplicity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.multitest import multipletests

from medpatch.evaluate.delong import components, delong_p
from medpatch.evaluate.estimate import Estimate
from medpatch.evaluate.name import MEDPATCH
from medpatch.evaluate.prediction import SplitPrediction
from medpatch.evaluate.summary import Judged, difference, paired

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Comparison:
    """MedPatch minus one other model, macro over labels, on the same resampled patients.

    Attributes:
        model: the other one.
        auroc: difference with its interval.
        auprc: likewise.
        brier: likewise; below 0 is better.
        p: two-sided, of no difference in AUROC, from the resamples.
        p_holm: corrected for the number of models compared.
        delong: p-value of DeLong's test; None with more than one label.
        delong_holm: corrected likewise.
    """

    model: str
    auroc: Estimate
    auprc: Estimate
    brier: Estimate
    p: float
    p_holm: float
    delong: float | None
    delong_holm: float | None


def compare(
    judged: Mapping[str, Judged], runs: Sequence[SplitPrediction], *, level: float, main: str = MEDPATCH
) -> tuple[Comparison, ...]:
    """One comparison per other model, in the order of `judged`; none without the main model.

    Heads of MedPatch are parts of it, not rivals, and are left out.

    Args:
        judged: every model on the same stays and resamples.
        runs: what they were judged on, one per training seed.
        level: of the intervals.
        main: what the others are compared with.
    """
    if main not in judged:
        return ()
    mine = judged[main]
    others = [name for name in judged if name != main and not name.startswith(f"{MEDPATCH}_")]
    p = [bootstrap_p(paired(mine, judged[name], metric="auroc")) for name in others]
    delong = _delong(main, others, runs=runs) if len(runs[0].label_names) == 1 else None
    corrected, delong_corrected = holm(p), holm(delong) if delong else None
    return tuple(
        Comparison(
            model=name,
            auroc=difference(mine, judged[name], metric="auroc", level=level),
            auprc=difference(mine, judged[name], metric="auprc", level=level),
            brier=difference(mine, judged[name], metric="brier", level=level),
            p=p[place],
            p_holm=corrected[place],
            delong=delong[place] if delong else None,
            delong_holm=delong_corrected[place] if delong_corrected else None,
        )
        for place, name in enumerate(others)
    )


def bootstrap_p(gap: Floats) -> float:
    """Two-sided p-value that belongs to the percentile interval of (R,) differences.

    Twice the smaller share of resamples on either side of 0, the observed one counted in, so that it is never
    0: the smallest is 2 / (R + 1).

    Source: Davison and Hinkley 1997, Bootstrap Methods and their Application, section 4.2.
    """
    known = gap[np.isfinite(gap)]
    if not len(known):
        return float("nan")
    below, above = int((known <= 0).sum()), int((known >= 0).sum())
    return min(1.0, 2 * (1 + min(below, above)) / (len(known) + 1))


def holm(p: Sequence[float]) -> list[float]:
    """P-values corrected so that the chance of any false finding stays below the level; NaN stays NaN."""
    values = np.asarray(p, float)
    is_known = np.isfinite(values)
    corrected = np.full(len(values), np.nan)
    if is_known.any():
        corrected[is_known] = multipletests(values[is_known], method="holm")[1]
    return corrected.tolist()


def _delong(main: str, others: Sequence[str], *, runs: Sequence[SplitPrediction]) -> list[float]:
    def of(model: str) -> list:
        return [components(run.models[model].logit[:, 0], run.label[:, 0]) for run in runs]

    mine = of(main)
    if mine[0] is None:
        return [float("nan")] * len(others)
    return [delong_p(mine, of(name)) for name in others]
