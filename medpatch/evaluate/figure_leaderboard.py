"""Every model's AUROC and AUPRC with intervals, beside the oracle where there is one."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from medpatch.evaluate.estimate import Estimate
from medpatch.evaluate.figure import GREY, INK, Picture, canvas, panel_title
from medpatch.evaluate.name import Group, style
from medpatch.evaluate.summary import ModelResult, Score
from medpatch.evaluate.table import as_printed, point

ORACLE_TICK = (-0.3, 0.1)
"""Ends below and above the row, in rows: the value is written above."""


def leaderboard_picture(results: Sequence[ModelResult], *, level: float) -> Picture:
    """One row per model, best AUROC on top."""
    ranked = sorted(results, key=lambda r: np.nan_to_num(r.macro.auroc.value, nan=-1))
    figure, (left, right) = canvas(9.2, 0.42 * len(ranked) + 1.5, columns=2, sharey=True)
    for y, result in enumerate(ranked):
        _row(left, y, estimate=result.macro.auroc, model=result.model)
        _row(right, y, estimate=result.macro.auprc, model=result.model)
        if result.oracle_auroc is not None:
            left.plot([result.oracle_auroc] * 2, [y + end for end in ORACLE_TICK], color=INK, linewidth=1.6)
    left.set_yticks(range(len(ranked)), [style(r.model).label for r in ranked])
    for axis, title in ((left, "AUROC"), (right, "AUPRC")):
        panel_title(axis, title, fontsize=10)
        axis.grid(axis="y", visible=False)
        axis.margins(x=0.12)
        axis.set_ylim(-0.6, len(ranked) - 0.4)
    right.tick_params(axis="y", length=0)
    has_oracle = any(r.oracle_auroc is not None for r in ranked)
    if has_oracle:
        left.plot([], [], "|", color=INK, markersize=9, markeredgewidth=1.6, label="oracle")
        left.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), fontsize=8, frameon=False, borderaxespad=0.1)
    caption = f"Dot: value on the test split; line: {level:.0%} interval over resampled patients." + (
        " Black tick: the oracle, the best expected AUROC with the same inputs, which a small test set can exceed by "
        "chance."
        if has_oracle
        else ""
    )
    return Picture("leaderboard", "All models", caption, figure)


def label_picture(main: ModelResult, single: ModelResult | None) -> Picture:
    """AUROC of every label, grouped, MedPatch beside the best single modality."""
    rival = {score.name: score for score in single.labels} if single else {}
    order = sorted(main.labels, key=lambda s: (list(Group).index(s.group), -np.nan_to_num(s.auroc.value)))
    figure, (axis,) = canvas(9.0, 0.27 * (len(order) + 3) + 1.0)
    ticks, texts, y = [], [], 0.0
    for group in Group:
        axis.text(-0.012, y, f"{group}".upper(), transform=axis.get_yaxis_transform(), ha="right", va="center",
                  fontsize=8.5, fontweight="bold", color=GREY)  # fmt: skip
        y -= 1
        for score in (s for s in order if s.group == group):
            _pair(
                axis,
                y,
                score=score,
                rival=rival.get(score.name),
                main=main.model,
                single=single.model if single else "",
            )
            ticks.append(y)
            texts.append(_words(score.name))
            y -= 1
    axis.set_yticks(ticks, texts, fontsize=8)
    axis.set_ylim(y + 0.4, 0.8)
    axis.grid(axis="y", visible=False)
    axis.axvline(0.5, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
    axis.set_xlabel("AUROC", color=INK)
    _key(axis, {main.model: None, **({single.model: None} if single else {})})
    caption = (
        f"AUROC per label with its interval: {style(main.model).label}"
        + (f", and {style(single.model).label}, the best single modality on validation" if single else "")
        + ". Dashed: no skill. A label without a dot has one class in the split."
    )
    return Picture("labels", "Each label", caption, figure)


def _row(axis: Axes, y: float, *, estimate: Estimate, model: str) -> None:
    look, estimate = style(model), as_printed(estimate)
    if np.isnan(estimate.value):
        axis.text(0.02, y, "undefined", transform=axis.get_yaxis_transform(), fontsize=8, color=GREY, va="center")
        return
    axis.plot([estimate.low, estimate.high], [y, y], color=look.colour, linewidth=1.8, marker="|", markersize=7)
    axis.plot(estimate.value, y, look.marker, color=look.colour, markersize=6)
    axis.annotate(
        point(estimate), (estimate.value, y), xytext=(0, 6), textcoords="offset points", ha="center",
        fontsize=8, color=INK,
    )  # fmt: skip


def _pair(axis: Axes, y: float, *, score: Score, rival: Score | None, main: str, single: str) -> None:
    if rival is not None and np.isfinite(rival.auroc.value):
        look, found = style(single), as_printed(rival.auroc)
        axis.plot([found.low, found.high], [y - 0.2] * 2, color=look.colour, linewidth=1.0)
        axis.plot(found.value, y - 0.2, look.marker, color=look.colour, markersize=4)
    if np.isfinite(score.auroc.value):
        look, found = style(main), as_printed(score.auroc)
        axis.plot([found.low, found.high], [y + 0.14] * 2, color=look.colour, linewidth=1.6)
        axis.plot(found.value, y + 0.14, look.marker, color=look.colour, markersize=5)


def _key(axis: Axes, models: Mapping[str, None]) -> None:
    for model in models:
        look = style(model)
        axis.plot([], [], look.marker, color=look.colour, linestyle="-", markersize=5, label=look.label)
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=2, fontsize=8.5, frameon=False, borderaxespad=0.2)


def _words(name: str, limit: int = 58) -> str:
    """A long name without what it says in brackets."""
    return name if len(name) <= limit else name.split(" (", maxsplit=1)[0]
