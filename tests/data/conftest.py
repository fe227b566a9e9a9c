"""A small tensor folder with every pattern of absence."""

from pathlib import Path

import numpy as np
import pytest
from align.warehouse import HEART_RATE, tiny_config, write_image, write_warehouse

from medpatch.align.shard import write_shards
from medpatch.config.name import Modality, Task

HOURS = {s: 2.0 + s % 5 for s in range(40)}
SPLIT = {s: "test" if s % 10 == 9 else "val" if s % 10 == 8 else "train" for s in HOURS}
WITH_CXR = [s for s in HOURS if s % 3 == 0]
WITH_RR = [s for s in HOURS if s % 2 == 0]


@pytest.fixture(scope="session")
def tensor_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 phenotyping stays of 2 to 6 hours in shards of 7: stay s has heart rate 60 + s from the first hour."""
    folder = tmp_path_factory.mktemp("data")
    for s in WITH_CXR:
        write_image(folder / "cxr" / f"{s}.png", 5 * s)
    random = np.random.default_rng(0)
    write_warehouse(
        folder / "mart",
        SPLIT,
        task=Task.PHENOTYPING,
        hours=HOURS,
        events=[(s, float(h), HEART_RATE, 60.0 + s) for s in HOURS for h in random.random(2)],
        images={s: f"{s}.png" for s in WITH_CXR},
        rr=[(s, 0, " ".join(["word"] * (s + 1))) for s in WITH_RR],
        positive=[1, 2, 3, 4],
    )
    config = tiny_config(
        Modality.EHR, Modality.CXR, Modality.RR, Modality.DN,
        task=Task.PHENOTYPING, shard_stays=7, image_size_px=8, note_chunk_tokens=12,
    )  # fmt: skip
    write_shards(folder / "mart", folder / "cxr", config=config, out_dir=folder / "tensor", inputs="made-up")
    return folder / "tensor"
