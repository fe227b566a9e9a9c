"""Seconds for one epoch of the fusion stage over a cohort of the paper's size, from cached pools.

Run: python bench/epoch.py [stays] [batch size]
"""

import sys
import tempfile
import time
from pathlib import Path

import torch

from medpatch.config.name import PHENOTYPES, Modality
from medpatch.config.preset import preset
from medpatch.config.train import LossWeighting, TrainConfig
from medpatch.feature.batching import shuffled
from medpatch.feature.column import ColumnWriter
from medpatch.feature.opening import SplitIndex
from medpatch.feature.pool import HEAVY
from medpatch.feature.store import FeatureStore
from medpatch.model.build import build_fusion
from medpatch.model.feature import ModalityFeature
from medpatch.model.spec import InputSpec
from medpatch.train.loss import HeadLoss
from medpatch.train.record import StepOutput
from medpatch.train.session import open_session
from medpatch.train.update import Updater

PAPER_STAYS, PAPER_BATCH = 42_628, 16
WIDTH = {Modality.EHR: 512, Modality.CXR: 384, Modality.RR: 768, Modality.DN: 768}
PRESENT = {Modality.EHR: 1.0, Modality.CXR: 0.25, Modality.RR: 0.95, Modality.DN: 0.95}
LABELS = len(PHENOTYPES)
STAYS_AT_ONCE = 512


def write_column(path: Path, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Random rows on disk, read back as training reads them; one block again and again, as values cost nothing."""
    writer, block = ColumnWriter(path, dtype=dtype), torch.rand(STAYS_AT_ONCE, *shape[1:])
    for first in range(0, shape[0], STAYS_AT_ONCE):
        writer.append(block[: min(STAYS_AT_ONCE, shape[0] - first)])
    return writer.finish()


def make_store(folder: Path, stays: int) -> FeatureStore:
    """Pools of a made-up cohort, half precision, absent modalities absent."""
    torch.manual_seed(0)
    presence = torch.rand(stays, len(Modality)) < torch.tensor([PRESENT[m] for m in Modality])
    label = (torch.rand(stays, LABELS) < 0.2).float()
    ids = torch.arange(stays)
    row, column, absent = {}, {}, {}
    for place, (m, width) in enumerate(WIDTH.items()):
        here = presence[:, place]
        count = int(here.sum())
        row[m] = torch.where(here, here.cumsum(0) - 1, -1)
        shapes = {"pooled": (width,), "high": (LABELS, width), "low": (LABELS, width)}
        shapes |= dict.fromkeys(("high_confidence", "low_confidence", "high_share"), (LABELS,))
        column[m] = {
            name: write_column(
                folder / f"{m}.{name}", (count, *shape), torch.float16 if name in HEAVY else torch.float32
            )
            for name, shape in shapes.items()
        }
        column[m]["is_encoded"] = torch.ones(count, dtype=torch.bool)
        absent[m] = {name: torch.zeros(1, *value.shape[1:], dtype=value.dtype) for name, value in column[m].items()}
    assert set(column[Modality.EHR]) == set(ModalityFeature.__dataclass_fields__)
    return FeatureStore(SplitIndex(ids, ids, label, presence, tuple(Modality)), row, column, absent)


def matmul_rate() -> float:
    """Float32 products per second of this machine, in units of 1e9 multiplications with addition."""
    a, b = torch.rand(2048, 768), torch.rand(768, 512)
    a @ b
    started, times = time.perf_counter(), 20
    for _ in range(times):
        a @ b
    return times * a.shape[0] * a.shape[1] * b.shape[1] / (time.perf_counter() - started) / 1e9


def main(stays: int, batch_size: int) -> None:
    """Print the figures."""
    config = preset("phenotyping")
    spec = InputSpec(tuple(Modality), PHENOTYPES, (0.2,) * LABELS, 384, 30_000, 512)
    with tempfile.TemporaryDirectory() as folder:
        store = make_store(Path(folder), stays)
        size = sum(p.stat().st_size for p in Path(folder).iterdir()) / 2**30
        torch.manual_seed(0)
        fusion = build_fusion(config.model, spec, raw_width=WIDTH).train()
        for branch in fusion.branch.values():
            branch.unimodal_projection.requires_grad_(False)
        head_loss = HeadLoss(LossWeighting.FIXED)
        session = open_session(TrainConfig(device="cpu"))
        weights = [w for w in fusion.parameters() if w.requires_grad]
        updater = Updater(session, torch.optim.AdamW(weights, lr=1e-4, fused=True), clip_norm=1.0)

        def step(index: torch.Tensor, is_training: bool) -> StepOutput:
            output = fusion(store.take(index, session.device))
            return StepOutput(head_loss(output, store.index.label[index]), len(index))

        for index in shuffled(torch.ones(min(stays, 10 * batch_size)), batch_size=batch_size, seed=1):
            updater.update(step, index)
        started = time.perf_counter()
        for index in shuffled(torch.ones(stays), batch_size=batch_size, seed=0):
            updater.update(step, index)
        whole = time.perf_counter() - started
        started = time.perf_counter()
        for index in shuffled(torch.ones(stays), batch_size=batch_size, seed=0):
            store.take(index, session.device)
        reading = time.perf_counter() - started
    # products of the two projections of present modalities, forward and for the gradient of their weights
    columns = sum(WIDTH[m] * int((store.row[m] >= 0).sum()) for m in WIDTH)
    need = 2 * 2 * columns * LABELS * config.model.encoder.width / 1e9
    rate = matmul_rate()
    print(f"{stays} stays, K={LABELS}, {len(weights)} weight tensors, batches of {batch_size}, {size:.1f} GiB of pools")
    print(f"one epoch            {whole:8.1f} s, of which reading pools {reading:.1f} s")
    print(f"scaled to {PAPER_STAYS} stays {whole * PAPER_STAYS / stays:8.1f} s")
    print(f"products it needs    {need:8.0f} G at {rate:.0f} G/s measured = {need / rate:.1f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else PAPER_STAYS, int(sys.argv[2]) if len(sys.argv) > 2 else PAPER_BATCH)
