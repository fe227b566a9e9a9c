"""Dots with intervals down a list, grouped under headings: subgroups and modality combinations."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medpatch.evaluate.estimate import Estimate
from medpatch.evaluate.figure import GREY, INK, Picture, canvas
from medpatch.evaluate.name import style
from medpatch.evaluate.table import as_printed

OFFSET = 0.2


@dataclass(frozen=True)
class ForestRow:
    """One line of the picture.

    Attributes:
        heading: under which it stands.
        name: of the group.
        stays: in the group, in words.
        estimates: model -> value with interval.
    """

    heading: str
    name: str
    stays: str
    estimates: dict[str, Estimate]


def forest_picture(
    rows: Sequence[ForestRow], *, name: str, title: str, caption: str, overall: Estimate | None = None
) -> Picture | None:
    """One line per row; the dashed line is the value on all stays. None without rows."""
    if not rows:
        return None
    models = list(dict.fromkeys(model for row in rows for model in row.estimates))
    headings = list(dict.fromkeys(row.heading for row in rows))
    figure, (axis,) = canvas(8.6, max(2.8, 0.3 * (len(rows) + len(headings)) + 1.2))
    y, ticks, texts = 0.0, [], []
    for heading in headings:
        if heading:
            axis.text(-0.012, y, heading.upper(), transform=axis.get_yaxis_transform(), ha="right", va="center",
                      fontsize=8.5, fontweight="bold", color=GREY)  # fmt: skip
            y -= 1
        for row in (r for r in rows if r.heading == heading):
            for place, model in enumerate(models):
                _dot(axis, y + OFFSET * ((len(models) - 1) / 2 - place), estimate=row.estimates.get(model), model=model)
            ticks.append(y)
            texts.append(f"{row.name}  (n = {row.stays})")
            y -= 1
    if overall is not None and np.isfinite(overall.value):
        axis.axvline(overall.value, color=GREY, linewidth=0.9, linestyle=(0, (3, 2)))
    axis.set_yticks(ticks, texts, fontsize=8.5)
    axis.set_ylim(y + 0.4, 0.8)
    axis.grid(axis="y", visible=False)
    axis.set_xlabel("AUROC", color=INK)
    for model in models:
        look = style(model)
        axis.plot([], [], look.marker, color=look.colour, linestyle="-", markersize=5, label=look.label)
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=3, fontsize=8.5, frameon=False, borderaxespad=0.2)
    return Picture(name, title, caption, figure)


def _dot(axis, y: float, *, estimate: Estimate | None, model: str) -> None:
    if estimate is None or not np.isfinite(estimate.value):
        return
    look, estimate = style(model), as_printed(estimate)
    axis.plot([estimate.low, estimate.high], [y, y], color=look.colour, linewidth=1.5)
    axis.plot(estimate.value, y, look.marker, color=look.colour, markersize=5)
