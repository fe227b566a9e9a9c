"""Training histories are read with the stage they belong to, and refused by name where they are broken."""

from pathlib import Path

import numpy as np
import pytest

from medpatch.config.error import CheckpointError
from medpatch.evaluate.figure_history import history_picture, read_histories


def test_histories_take_stage_and_modality_from_the_result_beside_them(tmp_path: Path) -> None:
    for name in ("unimodal-ehr", ".unimodal-cxr.7.tmp"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "history.json").write_text(
            '[{"epoch": 0, "train_loss": 0.7}, {"epoch": 1, "train_loss": 0.5}]'
        )
        about = '{"name": "unimodal ehr", "modality": "ehr", "best": {"epoch": 1}}'
        (tmp_path / name / "result.json").write_text(about)
    shared = {"stage": "unimodal", "modality": "ehr"}
    assert read_histories(tmp_path) == [
        {**shared, "is_kept": False, "epoch": 0, "train_loss": 0.7},
        {**shared, "is_kept": True, "epoch": 1, "train_loss": 0.5},
    ]


@pytest.mark.parametrize(
    ("history", "result"),
    [
        ("[", '{"name": "fusion", "modality": null, "best": {"epoch": 0}}'),
        ('[{"epoch": 0}]', '{"name": "fusion", "modality": null}'),
    ],
    ids=["broken list", "no kept epoch"],
)
def test_broken_history_is_refused_by_name(tmp_path: Path, history: str, result: str) -> None:
    (tmp_path / "fusion").mkdir()
    (tmp_path / "fusion" / "history.json").write_text(history)
    (tmp_path / "fusion" / "result.json").write_text(result)
    with pytest.raises(CheckpointError, match="fusion: unreadable history"):
        read_histories(tmp_path)


def test_curves_show_every_seed_thinly_and_their_mean_as_far_as_all_trained() -> None:
    losses = {1: [0.9, 0.7, 0.5], 2: [0.7, 0.5]}
    rows = [
        {"stage": "fusion", "modality": None, "seed": seed, "epoch": e, "train_loss": loss, "val_loss": 1.0}
        for seed, series in losses.items()
        for e, loss in enumerate(series)
    ]
    picture = history_picture(rows, labels=1)
    lines = picture.figure.axes[0].get_lines()
    first, second, mean = (np.asarray(line.get_ydata()) for line in lines[:3])
    np.testing.assert_allclose(first, losses[1])
    np.testing.assert_allclose(second, losses[2])
    np.testing.assert_allclose(mean, [0.8, 0.6])
    assert lines[0].get_linewidth() < lines[2].get_linewidth()
    assert "each of 2 training seeds" in picture.caption
    alone = history_picture([row for row in rows if row["seed"] == 1], labels=25)
    assert len(alone.figure.axes[0].get_lines()) == 2
    assert "seeds" not in alone.caption


def test_the_kept_epoch_of_every_seed_has_an_upright_line() -> None:
    kept = {1: 2, 2: 0}
    rows = [
        {"stage": "fusion", "modality": None, "seed": seed, "epoch": e, "is_kept": e == best, "train_loss": 0.5}
        for seed, best in kept.items()
        for e in range(3)
    ]
    picture = history_picture(rows, labels=1)
    upright = [line for line in picture.figure.axes[0].get_lines() if len(set(line.get_xdata())) == 1]
    assert sorted(line.get_xdata()[0] for line in upright) == [0, 2]
