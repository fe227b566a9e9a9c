"""Training curves: loss and validation AUROC of every stage, from what training wrote down."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from medpatch.config.error import CheckpointError
from medpatch.config.name import Modality, Stage
from medpatch.evaluate.figure import GREY, INK, Picture, canvas, panel_title
from medpatch.evaluate.name import auroc_of, style, unimodal

HISTORY_FILE = "history.json"
RESULT_FILE = "result.json"
COLUMNS = 4
TRAIN_INK, VAL_INK, AUROC_INK, KEPT_INK = GREY, "#D55E00", "#0072B2", "#CC79A7"
KEPT = "epoch whose weights were kept"

History = Sequence[Mapping[str, Any]]


def read_histories(checkpoint_dir: Path) -> list[dict[str, Any]]:
    """Rows of every history below the folder: stage, modality, is_kept, epoch, train_loss, val_loss, val_auroc.

    Stage, modality and which epoch was kept come from the result beside a history; folders that are still being
    written are left out.

    Raises:
        CheckpointError: a history or result is unreadable.
    """
    rows: list[dict[str, Any]] = []
    for path in sorted(checkpoint_dir.rglob(HISTORY_FILE)):
        if any(part.startswith(".") for part in path.relative_to(checkpoint_dir).parts):
            continue
        try:
            about = json.loads((path.parent / RESULT_FILE).read_text())
            identity = {"stage": about["name"].split()[0], "modality": about["modality"]}
            kept = about["best"]["epoch"]
            rows.extend({**identity, "is_kept": row["epoch"] == kept, **row} for row in json.loads(path.read_text()))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise CheckpointError(f"{path.parent}: unreadable history or result ({error}); train again") from error
    return rows


def history_picture(history: History, *, labels: int) -> Picture | None:
    """One panel per stage and modality, of a task of so many labels; None without history."""
    panels: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in history:
        panels.setdefault((str(row["stage"]), str(row.get("modality") or "")), []).append(row)
    if not panels:
        return None
    names = sorted(panels, key=_place)
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    figure, axes = canvas(2.6 * columns + 0.9, 2.15 * rows + 0.8, rows=rows, columns=columns)
    for number, (axis, name) in enumerate(zip(axes, names, strict=False)):
        _curve(axis, panels[name], key="train_loss", color=TRAIN_INK, linewidth=1.4, marker=".", label="train loss")
        _curve(axis, panels[name], key="val_loss", color=VAL_INK, linewidth=1.4, linestyle="--", marker=".",
               label="validation loss")  # fmt: skip
        for epoch in sorted({row["epoch"] for row in panels[name] if row.get("is_kept")}):
            axis.axvline(epoch, color=KEPT_INK, linewidth=2.2, alpha=0.6, zorder=1, label=KEPT)
        panel_title(axis, _title(*name))
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5, min_n_ticks=1))
        if any(row.get("val_auroc") is not None for row in panels[name]):
            twin = axis.twinx()
            _curve(twin, panels[name], key="val_auroc", color=AUROC_INK, linewidth=1.2, linestyle=":", marker="^",
                   markersize=3, label="validation AUROC (right)")  # fmt: skip
            twin.yaxis.set_major_locator(MaxNLocator(nbins=4))
            twin.tick_params(labelsize=8, colors=AUROC_INK, length=2)
            twin.spines[["top", "left", "bottom", "right"]].set_visible(False)
        if number % columns == 0:
            axis.set_ylabel("loss", fontsize=9, color=INK)
        if number + columns >= len(names):
            axis.set_xlabel("epoch", fontsize=9, color=INK)
        axis.yaxis.set_major_locator(MaxNLocator(nbins=4))
        axis.tick_params(labelsize=8)
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    _key(figure)
    seeds = len({row.get("seed") for row in history})
    caption = (
        f"Loss on train and validation (left scale) and {auroc_of(labels)} on validation (right scale), each stage; "
        "an upright line is an epoch whose weights were kept (by loss or AUROC, as the stage is configured)."
    )
    if seeds > 1:
        caption += f" Thin: each of {seeds} training seeds; thick: their mean, as far as all of them trained."
    return Picture("training", "Training curves", caption, figure, "Train and validation splits.")


def _curve(axis: Axes, rows: History, *, key: str, **look) -> None:
    """The mean over the seeds of the rows, as far as every seed trained, and with several seeds each of them thinly."""
    each = {
        seed: sorted((row for row in rows if row.get("seed") == seed), key=lambda row: row["epoch"])
        for seed in dict.fromkeys(row.get("seed") for row in rows)
    }
    for points in each.values() if len(each) > 1 else ():
        axis.plot([row["epoch"] for row in points], _column(points, key), color=look["color"], linewidth=0.7, alpha=0.4)
    shared = list(zip(*each.values(), strict=False))
    means = np.mean([_column(points, key) for points in shared], axis=1)
    axis.plot([points[0]["epoch"] for points in shared], means, **look)


def _key(figure) -> None:
    found = {}
    for axis in figure.axes:
        for handle, text in zip(*axis.get_legend_handles_labels(), strict=True):
            found.setdefault(text, handle)
    figure.legend(found.values(), found.keys(), loc="outside upper left", ncols=4, fontsize=8.5, frameon=False)


def _column(points: History, name: str) -> list[float]:
    return [float("nan") if row.get(name) is None else float(row[name]) for row in points]


def _place(name: tuple[str, str]) -> tuple[int, int, str]:
    stages, modalities = [str(s) for s in Stage], [str(m) for m in Modality]
    stage, modality = name
    return (
        stages.index(stage) if stage in stages else len(stages),
        modalities.index(modality) if modality in modalities else len(modalities),
        stage,
    )


def _title(stage: str, modality: str) -> str:
    if not modality:
        return "Fusion: MedPatch" if stage == Stage.FUSION else style(stage).short
    words = stage.replace("_", " ").capitalize()
    kind = style(unimodal(modality)).label.removesuffix(" only") if modality in list(Modality) else modality
    return f"{words}: {kind}"
