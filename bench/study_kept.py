"""What the cells of a study left: `bench/study.py` writes them, `bench/study_table.py` makes tables of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from study_cell import Cell

from medpatch.evaluate.stay import combinations


@dataclass(frozen=True)
class Kept:
    """One cell's file.

    Attributes:
        data: seed of the cohort.
        train: seed of the training.
        score: model -> (N, K).
        val: model -> macro AUROC on validation.
        oracle: modality set -> (N, K).
        label: (N, K).
        subject: (N,).
        group: (N,) the modalities of each stay, in words.
        modalities: all of the task.
    """

    data: int
    train: int
    score: Mapping[str, NDArray]
    val: Mapping[str, float]
    oracle: Mapping[str, NDArray]
    label: NDArray
    subject: NDArray
    group: NDArray
    modalities: tuple[str, ...]


def read(folder: Path, cell: Cell) -> Kept:
    """What a cell left."""
    with np.load(folder / f"{cell.stem}.npz") as file:
        modalities = tuple(file["modalities"].tolist())
        presence = dict(zip(modalities, file["presence"].T, strict=True))
        return Kept(
            cell.data,
            cell.train,
            score=dict(zip(file["models"].tolist(), file["score"], strict=True)),
            val=dict(zip(file["val_models"].tolist(), file["val"].tolist(), strict=True)),
            oracle=dict(zip(file["oracle_sets"].tolist(), file["oracle"], strict=True)),
            label=file["label"],
            subject=file["subject_id"],
            group=combinations(presence),
            modalities=modalities,
        )


def read_all(folders: Sequence[Path], task: str, variant: str) -> list[Kept]:
    """Every finished cell of a task and variant, each cohort and training once.

    Raises:
        FileNotFoundError: a folder has no cells.
    """
    for out in folders:
        if not (out / "cell").is_dir():
            raise FileNotFoundError(f"{out}: no folder cell, so no study; make one with bench/study.py {out}")
    found: dict[str, Kept] = {}
    for path in (path for out in folders for path in sorted((out / "cell").glob(f"{task}-data*.npz"))):
        _, data, train = path.stem.split("-")[:3]
        cell = Cell(task, int(data.removeprefix("data")), int(train.removeprefix("train")), variant)
        if cell.stem == path.stem:
            new = read(path.parent, cell)
            found[cell.stem] = joined(found[cell.stem], new) if cell.stem in found else new
    return [found[stem] for stem in sorted(found)]


def joined(first: Kept, second: Kept) -> Kept:
    """One cell from two that scored other models on the same stays.

    Raises:
        ValueError: the stays differ.
    """
    if not (np.array_equal(first.subject, second.subject) and np.array_equal(first.label, second.label)):
        raise ValueError(f"cohort {first.data}: two folders have other test stays; were they made with one --subjects?")
    return replace(first, score={**second.score, **first.score}, val={**second.val, **first.val})
