"""ROC and precision-recall curves; averaged over labels where there are many."""

from collections.abc import Sequence
from itertools import product

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from medpatch.config.train import EvaluateConfig
from medpatch.evaluate.band import Band, band, precision_on, roc_on
from medpatch.evaluate.figure import GREY, INK, Picture, canvas
from medpatch.evaluate.name import MEDPATCH, over_seeds, style
from medpatch.evaluate.prediction import SplitPrediction
from medpatch.evaluate.summary import ModelResult
from medpatch.evaluate.table import point

Floats = NDArray[np.floating]

STEPS = np.linspace(0, 1, 501)


def roc_picture(
    runs: Sequence[SplitPrediction], results: Sequence[ModelResult], *, config: EvaluateConfig, main: str
) -> Picture | None:
    """Sensitivity against false alarms, one line per model, a band around one; None if no label has two classes."""
    columns = _two_class(runs[0])
    if not columns:
        return None
    figure, (axis,) = canvas(6.0, 5.8)
    axis.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
    for result in reversed(results):
        x, y = _mean_roc(runs, result.model, columns=columns)
        _line(axis, x, y=y, result=result, text=f"{style(result.model).label}  {point(result.macro.auroc)}")
    _band(axis, STEPS, around=band(runs, main, curve=roc_on(STEPS), columns=columns, config=config), model=main)
    axis.set_xlabel("False-positive rate (1 − specificity)", color=INK)
    axis.set_ylabel("True-positive rate (sensitivity)", color=INK)
    axis.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), aspect="equal")
    _legend(axis, "lower right", title="AUROC")
    return Picture(
        "roc", "ROC curves", _caption("ROC", len(columns), runs=runs, main=main, level=config.interval_level), figure
    )


def pr_picture(
    runs: Sequence[SplitPrediction], results: Sequence[ModelResult], *, config: EvaluateConfig, main: str
) -> Picture | None:
    """Precision against recall, one line per model, a band around one; None if no label has two classes."""
    columns = _two_class(runs[0])
    if not columns:
        return None
    figure, (axis,) = canvas(7.6, 5.2)
    prevalence = float(runs[0].label[:, columns].mean())
    axis.axhline(prevalence, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
    axis.annotate(
        f"no skill: {prevalence:.3f}", (0.005, prevalence), xytext=(0, -3), textcoords="offset points",
        ha="left", va="top", fontsize=8, color=GREY,
    )  # fmt: skip
    for result in reversed(results):
        y = _mean_precision(runs, result.model, columns=columns)
        _line(axis, STEPS, y=y, result=result, text=f"{style(result.model).label}  {point(result.macro.auprc)}")
    around = band(runs, main, curve=precision_on(STEPS), columns=columns, config=config)
    _band(axis, STEPS, around=around, model=main)
    axis.set_xlabel("Recall (sensitivity)", color=INK)
    axis.set_ylabel("Precision (positive predictive value)", color=INK)
    axis.set(xlim=(-0.01, 1.01), ylim=(0, 1.02))
    _legend(axis, "upper left", title="AUPRC", outside=True)
    caption = _caption("Precision–recall", len(columns), runs=runs, main=main, level=config.interval_level)
    return Picture("pr", "Precision–recall curves", caption, figure)


def _line(axis: Axes, x: Floats, *, y: Floats, result: ModelResult, text: str) -> None:
    look, is_main = style(result.model), result.model == MEDPATCH
    axis.plot(
        x, y, label=text, color=look.colour, linestyle=look.line, linewidth=2.6 if is_main else 1.4,
        zorder=4 if is_main else 3, solid_capstyle="round",
    )  # fmt: skip


def _legend(axis: Axes, place: str, *, title: str, outside: bool = False) -> None:
    handles, texts = axis.get_legend_handles_labels()
    box = {"bbox_to_anchor": (1.01, 1.0)} if outside else {}
    legend = axis.legend(
        handles[::-1], texts[::-1], loc=place, title=title, fontsize=8.5, title_fontsize=8.5, handlelength=2.6,
        frameon=not outside, framealpha=0.92, edgecolor="none", alignment="left", **box,
    )  # fmt: skip
    legend.get_title().set_color(INK)


def _two_class(prediction: SplitPrediction) -> list[int]:
    share = prediction.label.mean(axis=0)
    return [k for k in range(len(share)) if 0 < share[k] < 1]


def _band(axis: Axes, x: Floats, *, around: Band, model: str) -> None:
    axis.fill_between(x, around.low, around.high, color=style(model).colour, alpha=0.15, linewidth=0, zorder=2)


def _mean_roc(runs: Sequence[SplitPrediction], model: str, *, columns: list[int]) -> tuple[Floats, Floats]:
    curves = [
        roc_curve(run.label[:, k], run.models[model].logit[:, k], drop_intermediate=False)[:2]
        for run in runs
        for k in columns
    ]
    if len(curves) == 1:
        return curves[0]
    return STEPS, np.mean([np.interp(STEPS, fpr, tpr) for fpr, tpr in curves], axis=0)


def _mean_precision(runs: Sequence[SplitPrediction], model: str, *, columns: list[int]) -> Floats:
    """Precision of the first threshold that reaches each recall: the steps that average precision sums."""
    curves = []
    for run, k in product(runs, columns):
        precision, recall, _ = precision_recall_curve(run.label[:, k], run.models[model].logit[:, k])
        # the last point (recall 0, precision 1) is a convention, no threshold reaches it
        precision, recall = precision[:-1][::-1], recall[:-1][::-1]
        curves.append(precision[np.searchsorted(recall, np.maximum(STEPS, 1e-9) - 1e-12)])
    return np.mean(curves, axis=0)


def _caption(kind: str, labels: int, *, runs: Sequence[SplitPrediction], main: str, level: float) -> str:
    first, seeds = runs[0], " with the seeds" if len(runs) > 1 else ""
    around = f"Band of {style(main).label}: {level:.0%} at each point, patients resampled{seeds}."
    if len(first.label_names) == 1:
        every = f"on every stay of the {first.split} split{over_seeds(len(runs))}"
        return f"{kind} curve of each model {every}. {around}"
    return (
        f"{kind} curves averaged vertically over {labels} labels{over_seeds(len(runs))}, every stay of "
        f"the {first.split} split. The numbers are the macro means of the table. {around}"
    )
