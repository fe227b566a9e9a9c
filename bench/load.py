"""Stays per second from shards to batches: decoded once, beside reading Parquet rows as Python lists.

Run: python bench/load.py [stays]
"""

import sys
import tempfile
import time
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from warehouse import make_events, write_warehouse

from medpatch.align.channel import read_channels
from medpatch.align.shard import write_shards
from medpatch.config.name import Modality, Split
from medpatch.config.preset import preset
from medpatch.data.dataset import ShardDataset
from medpatch.data.loader import make_loader

BATCH_SIZE = 64
LOOP_BATCHES = 20


def row_by_row(file: Path) -> Iterator[torch.Tensor]:
    """(B, 48, 76) batches made from one row at a time."""
    table = pq.read_table(file, columns=["ehr", "ehr_observed"])
    order = np.random.default_rng(0).permutation(table.num_rows)
    for first in range(0, len(order), BATCH_SIZE):
        stays = []
        for i in order[first : first + BATCH_SIZE]:
            value = torch.tensor(list(array("f", table["ehr"][int(i)].as_py()))).reshape(-1, 59)
            observed = torch.tensor(list(table["ehr_observed"][int(i)].as_py()), dtype=torch.float32).reshape(-1, 17)
            stays.append(torch.cat([value, observed], dim=1))
        yield torch.nn.utils.rnn.pad_sequence(stays, batch_first=True)


def main(stays: int) -> None:
    """Print the figures."""
    full = preset("in_hospital_mortality")
    modality = full.modality.model_copy(update={"modalities": (Modality.EHR,)})
    with tempfile.TemporaryDirectory() as folder:
        write_warehouse(Path(folder) / "mart", make_events(stays, read_channels()))
        tensor_dir = Path(folder) / "tensor"
        write_shards(
            Path(folder) / "mart",
            None,
            config=full.model_copy(update={"modality": modality}),
            out_dir=tensor_dir,
            inputs="",
        )

        started, loop_stays = time.perf_counter(), 0
        for _, batch in zip(range(LOOP_BATCHES), row_by_row(tensor_dir / "train-00000.parquet"), strict=False):
            loop_stays += len(batch)
        loop_rate = loop_stays / (time.perf_counter() - started)

        dataset = ShardDataset(tensor_dir, Split.TRAIN)
        loader = make_loader(dataset, batch_size=BATCH_SIZE, shuffle=True, seed=0)
        rates, per_cpu = [], []
        for epoch in range(3):
            loader.set_epoch(epoch)
            started, before = time.perf_counter(), time.process_time()
            count = sum(len(batch.stay_id) for batch in loader)
            rates.append(count / (time.perf_counter() - started))
            per_cpu.append(count / (time.process_time() - before))
    print(f"{len(dataset)} train stays of 48 bins, batches of {BATCH_SIZE}")
    print(f"row by row           {loop_rate:10.0f} stays/s ({loop_stays} stays)")
    print(f"loader, first epoch  {rates[0]:10.0f} stays/s, decoding included; {per_cpu[0]:.0f} per CPU second")
    print(f"loader, later epochs {max(rates[1:]):10.0f} stays/s; {max(per_cpu[1:]):.0f} per CPU second")
    print(f"ratio                {max(rates[1:]) / loop_rate:10.0f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
