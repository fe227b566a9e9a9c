"""Reliability curves: does what is called 30 % happen in 30 %?"""

from collections.abc import Sequence

import numpy as np

from medpatch.evaluate.calibration import reliability
from medpatch.evaluate.figure import GREY, INK, Picture, canvas
from medpatch.evaluate.name import style
from medpatch.evaluate.prediction import SplitPrediction
from medpatch.evaluate.summary import ModelResult

COLUMNS = 3


def reliability_picture(prediction: SplitPrediction, results: Sequence[ModelResult], *, points: int = 10) -> Picture:
    """One small panel per model, all stay-label pairs together, same axes."""
    shown = results[: 2 * COLUMNS]
    columns = min(COLUMNS, len(shown))
    rows = -(-len(shown) // columns)
    figure, axes = canvas(2.7 * columns + 0.4, 2.75 * rows + 0.5, rows=rows, columns=columns, sharex=True, sharey=True)
    label = prediction.label.ravel()
    curves = [reliability(prediction.models[r.model].probability.ravel(), label, points=points) for r in shown]
    top = min(1.0, 1.08 * max(max(c.predicted.max(), c.high.max()) for c in curves))
    for place, (axis, result, curve) in enumerate(zip(axes, shown, curves, strict=False)):
        look, score = style(result.model), result.macro
        axis.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
        reach = np.clip([curve.observed - curve.low, curve.high - curve.observed], 0, 1)
        axis.errorbar(
            curve.predicted, curve.observed, yerr=reach,
            color=look.colour, marker=look.marker, markersize=4.5, linewidth=1.3, elinewidth=0.9, capsize=0,
        )  # fmt: skip
        axis.set_title(look.label, fontsize=9.5, color=INK, loc="left")
        axis.text(
            0.04, 0.95, f"ECE {score.ece.value:.3f}\nBrier {score.brier.value:.3f}\nslope {score.slope.value:.2f}",
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
    pairs = "stays" if len(prediction.label_names) == 1 else "stay-label pairs, all labels together,"
    caption = (
        f"Each point holds about a tenth of the {pairs} by predicted probability of the label, with its 95 % Wilson "
        "interval. On the dashed line the prediction comes true; below it the model promises too much."
    )
    return Picture("reliability", "Reliability curves", caption, figure)
