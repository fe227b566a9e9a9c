"""Reliability curves: does what is called 30 % happen in 30 %?"""

from collections.abc import Sequence

import numpy as np

from medpatch.config.train import EvaluateConfig
from medpatch.evaluate.figure import GREY, INK, Picture, canvas, panel_title
from medpatch.evaluate.name import style
from medpatch.evaluate.prediction import SplitPrediction
from medpatch.evaluate.reliability import mean_reliability
from medpatch.evaluate.summary import ModelResult
from medpatch.evaluate.table import point

COLUMNS = 3


def reliability_picture(
    runs: Sequence[SplitPrediction], results: Sequence[ModelResult], *, config: EvaluateConfig
) -> Picture:
    """One small panel per model, all stay-label pairs together, same axes; seeds thin, their mean with intervals."""
    shown = results[: 2 * COLUMNS]
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    figure, axes = canvas(2.7 * columns + 0.4, 2.75 * rows + 0.5, rows=rows, columns=columns, sharex=True, sharey=True)
    curves = [mean_reliability(runs, r.model, config=config) for r in shown]
    highest = [max(c.predicted.max(initial=0), c.high.max(initial=0)) for c, _ in curves]
    top = min(1.0, 1.08 * max(highest) or 1.0)
    for place, (axis, result, (curve, each)) in enumerate(zip(axes, shown, curves, strict=False)):
        look, score = style(result.model), result.macro
        axis.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
        for one in each if len(each) > 1 else ():
            axis.plot(one.predicted, one.observed, color=look.colour, linewidth=0.7, alpha=0.45)
        reach = np.clip([curve.observed - curve.low, curve.high - curve.observed], 0, 1)
        axis.errorbar(
            curve.predicted, curve.observed, yerr=reach,
            color=look.colour, marker=look.marker, markersize=4.5, linewidth=1.3, elinewidth=0.9, capsize=0,
        )  # fmt: skip
        panel_title(axis, look.label)
        axis.text(
            0.04, 0.95, f"ECE {point(score.ece)}\nBrier {point(score.brier)}\nslope {point(score.slope, 2)}",
            transform=axis.transAxes, fontsize=8, color=INK, va="top",
        )  # fmt: skip
        axis.set(xlim=(0, top), ylim=(0, top), aspect="equal")
        if place % columns == 0:
            axis.set_ylabel("Observed share", fontsize=9, color=INK)
        if place + columns >= len(shown):
            axis.set_xlabel("Predicted probability", fontsize=9, color=INK)
            axis.tick_params(labelbottom=True)
    for axis in axes[len(shown) :]:
        axis.set_visible(False)
    pairs = "stays" if len(runs[0].label_names) == 1 else "stay-label pairs, all labels together,"
    seeds = f"Thin: each of {len(runs)} training seeds; thick: their mean. " if len(runs) > 1 else ""
    caption = (
        f"Each point holds about a tenth of the {pairs} by predicted probability of the label, with the wider of its "
        f"95 % Wilson interval and that over resampled patients. {seeds}On the dashed line the prediction "
        f"comes true; below it the model promises too much. Points of fewer than {config.min_count} are left out."
    )
    return Picture("reliability", "Reliability curves", caption, figure)
