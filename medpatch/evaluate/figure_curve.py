"""ROC and precision-recall curves; averaged over labels where there are many."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_curve, roc_curve

from medpatch.evaluate.figure import GREY, INK, Picture, canvas
from medpatch.evaluate.name import MEDPATCH, style
from medpatch.evaluate.prediction import SplitPrediction
from medpatch.evaluate.summary import ModelResult

Floats = NDArray[np.floating]

STEPS = np.linspace(0, 1, 501)


def roc_picture(prediction: SplitPrediction, results: Sequence[ModelResult]) -> Picture | None:
    """Sensitivity against false alarms, one line per model; None if no label has two classes."""
    columns = _two_class(prediction)
    if not columns:
        return None
    figure, (axis,) = canvas(6.0, 5.8)
    axis.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
    for result in reversed(results):
        logit = prediction.models[result.model].logit
        x, y = _mean_roc(logit, prediction.label, columns=columns)
        _line(axis, x, y=y, result=result, text=f"{style(result.model).label}  {result.macro.auroc.value:.3f}")
    axis.set_xlabel("False-positive rate (1 − specificity)", color=INK)
    axis.set_ylabel("True-positive rate (sensitivity)", color=INK)
    axis.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), aspect="equal")
    _legend(axis, "lower right", title="AUROC")
    return Picture("roc", "ROC curves", _caption("ROC", len(columns), prediction=prediction), figure)


def pr_picture(prediction: SplitPrediction, results: Sequence[ModelResult]) -> Picture | None:
    """Precision against recall, one line per model; None if no label has two classes."""
    columns = _two_class(prediction)
    if not columns:
        return None
    figure, (axis,) = canvas(7.6, 5.2)
    prevalence = float(prediction.label[:, columns].mean())
    axis.axhline(prevalence, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
    axis.annotate(
        f"no skill: {prevalence:.3f}", (0.005, prevalence), xytext=(0, -3), textcoords="offset points",
        ha="left", va="top", fontsize=8, color=GREY,
    )  # fmt: skip
    for result in reversed(results):
        y = _mean_precision(prediction.models[result.model].logit, prediction.label, columns=columns)
        _line(axis, STEPS, y=y, result=result, text=f"{style(result.model).label}  {result.macro.auprc.value:.3f}")
    axis.set_xlabel("Recall (sensitivity)", color=INK)
    axis.set_ylabel("Precision (positive predictive value)", color=INK)
    axis.set(xlim=(-0.01, 1.01), ylim=(0, 1.02))
    _legend(axis, "upper left", title="AUPRC", outside=True)
    return Picture(
        "pr", "Precision–recall curves", _caption("Precision–recall", len(columns), prediction=prediction), figure
    )


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


def _mean_roc(logit: Floats, label: NDArray, *, columns: list[int]) -> tuple[Floats, Floats]:
    curves = [roc_curve(label[:, k], logit[:, k], drop_intermediate=False)[:2] for k in columns]
    if len(curves) == 1:
        return curves[0]
    return STEPS, np.mean([np.interp(STEPS, fpr, tpr) for fpr, tpr in curves], axis=0)


def _mean_precision(logit: Floats, label: NDArray, *, columns: list[int]) -> Floats:
    """Precision of the first threshold that reaches each recall: the steps that average precision sums."""
    curves = []
    for k in columns:
        precision, recall, _ = precision_recall_curve(label[:, k], logit[:, k])
        # the last point (recall 0, precision 1) is a convention, no threshold reaches it
        precision, recall = precision[:-1][::-1], recall[:-1][::-1]
        curves.append(precision[np.searchsorted(recall, np.maximum(STEPS, 1e-9) - 1e-12)])
    return np.mean(curves, axis=0)


def _caption(kind: str, labels: int, *, prediction: SplitPrediction) -> str:
    if len(prediction.label_names) == 1:
        return f"{kind} curve of each model on every stay of the {prediction.split} split."
    return (
        f"{kind} curves averaged vertically over {labels} labels, every stay of the {prediction.split} split. The "
        "numbers are the macro means of the table."
    )
