"""Chapter on decisions: operating points and net benefit."""

from collections.abc import Sequence

import numpy as np

from medpatch.config.pipeline import PipelineConfig
from medpatch.config.train import EvaluateConfig
from medpatch.evaluate.band import band, net_benefit_on
from medpatch.evaluate.decision import MEASURES, Fixed, OperatingPoint, net_benefit, net_benefit_of_all
from medpatch.evaluate.figure import GREY, INK, Picture, canvas, panel_title
from medpatch.evaluate.judge import Verdict
from medpatch.evaluate.name import MEDPATCH, over_seeds, style
from medpatch.evaluate.prediction import SplitPrediction
from medpatch.evaluate.section import Section
from medpatch.evaluate.section_result import may_draw
from medpatch.evaluate.suppress import Disclosure
from medpatch.evaluate.table import Table, interval

THRESHOLD_STEPS = 100
PANEL_COLUMNS = 5
PANEL_TICKS = 3


def decision_section(
    points: Sequence[OperatingPoint],
    verdict: Verdict,
    *,
    test: Sequence[SplitPrediction],
    config: PipelineConfig,
    shown: Disclosure,
) -> Section:
    """Operating points of MedPatch and the best single modality, and what acting on them would bring."""
    models = [m for m in (verdict.main.model, verdict.best_single) if m is not None]
    table = operating_table(points, level=config.evaluate.interval_level, smallest=config.evaluate.min_count)
    names = [n for n in test[0].label_names if may_draw(n, test[0], shown=shown)]
    return Section(
        "Decisions", (table, *((benefit_picture(test, models, config=config.evaluate, names=names),) if names else ()))
    )


def operating_table(points: Sequence[OperatingPoint], *, level: float, smallest: int) -> Table:
    """One row per operating point and model."""
    columns = ("Threshold fixed at", "Model", "Sensitivity", "Specificity", "PPV", "NPV", "Alert rate")
    rows = tuple(
        (_words(p), style(p.model).short, *(interval(getattr(p, measure), digits=2) for measure in MEASURES))
        for p in points
    )
    labels = max((p.labels for p in points), default=1)
    caption = (
        f"Thresholds are chosen on validation, numbers are those of the test split [{level:.0%} CI]; the threshold is "
        "held fixed in the resamples. Where a training alerts for nobody there is no PPV."
    )
    if any(p.labels == 1 and not np.isfinite(p.alert_rate.value) for p in points):
        caption += f" Dashes: fewer than {smallest} positives, negatives, alerts or other stays."
    if labels > 1:
        caption += f" One threshold per label; macro means over {labels} labels."
    strong = tuple(i for i, p in enumerate(points) if p.model == MEDPATCH)
    return Table("operating_points", "Operating points", columns, rows, caption, strong)


def benefit_picture(
    test: Sequence[SplitPrediction], models: Sequence[str], *, config: EvaluateConfig, names: Sequence[str]
) -> Picture:
    """Net benefit against the threshold probability, one panel per label of `names`."""
    column = [test[0].label_names.index(name) for name in names]
    label = test[0].label[:, column]
    columns = min(PANEL_COLUMNS, len(names))
    rows = -(-len(names) // columns)
    size = (7.2, 4.4) if len(names) == 1 else (2.15 * columns, 1.75 * rows + 0.8)
    figure, axes = canvas(*size, rows=rows, columns=columns)
    for k, (axis, name) in enumerate(zip(axes, names, strict=False)):
        prevalence = float(label[:, k].mean())
        threshold = np.linspace(0.005, min(0.95, max(0.1, 3 * prevalence)), THRESHOLD_STEPS)
        axis.axhline(0, color=INK, linewidth=0.9, label="act on nobody")
        axis.plot(100 * threshold, net_benefit_of_all(label[:, k], threshold), color=GREY, linewidth=1.1,
                  linestyle=(0, (3, 2)), label="act on everybody")  # fmt: skip
        for model in models:
            look = style(model)
            each = [
                net_benefit(run.models[model].probability[:, column[k]], label[:, k], threshold=threshold)
                for run in test
            ]
            axis.plot(100 * threshold, np.mean(each, axis=0), color=look.colour, linestyle=look.line, linewidth=1.8,
                      label=look.label)  # fmt: skip
        curve = net_benefit_on(threshold)
        around = band(test, models[0], curve=curve, columns=[column[k]], config=config, uses_probability=True)
        axis.fill_between(100 * threshold, around.low, around.high, color=style(models[0]).colour, alpha=0.15,
                          linewidth=0)  # fmt: skip
        axis.set_ylim(-0.15 * prevalence - 0.002, 1.1 * prevalence + 0.002)
        if len(names) > 1:
            panel_title(axis, _short(name), fontsize=7.5)
            axis.tick_params(labelsize=7)
            axis.locator_params(nbins=PANEL_TICKS)
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    handles, texts = axes[0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside upper left", ncols=4, fontsize=8.5, frameon=False)
    for place, axis in enumerate(axes[: len(names)]):
        if place + columns >= len(names):
            axis.set_xlabel("Threshold probability, %", fontsize=9 if len(names) == 1 else 7.5, color=INK)
        if place % columns == 0:
            axis.set_ylabel("Net benefit", fontsize=9 if len(names) == 1 else 7.5, color=INK)
    caption = (
        "Decision curves. At each threshold probability, the net benefit of acting on every stay that reaches it, in "
        "true positives per stay: true positives minus false positives weighted by the odds of the threshold. A model "
        f"is useful where it lies above both acting on everybody and on nobody. Lines{over_seeds(len(test))}; band of "
        f"{style(models[0]).label}: {config.interval_level:.0%}, patients resampled"
        + (" with the seeds." if len(test) > 1 else ".")
    )
    if left_out := len(test[0].label_names) - len(names):
        caption += f" {left_out} labels with few positives or negatives are not drawn: the steps would tell how many."
    return Picture("net_benefit", "Net benefit", caption, figure)


def _words(point: OperatingPoint) -> str:
    return f"sensitivity {point.target:.0%}" if point.fixed is Fixed.SENSITIVITY else f"alerts for {point.target:.0%}"


def _short(name: str, limit: int = 30) -> str:
    cut = name.split(" (", maxsplit=1)[0].split(";", maxsplit=1)[0]
    return cut if len(cut) <= limit else cut[: limit - 1].rstrip() + "…"
