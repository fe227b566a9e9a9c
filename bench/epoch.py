"""Seconds for one epoch of the fusion stage over a cohort of the paper's size, from cached pools.

With --encoders also what the published procedure would take on this machine: it runs every encoder twice per stay and
epoch, although none of them learns in this stage, on padding and empty inputs too. Encoders have the published shapes
and random weights; a report is one chunk of 512 ids, a discharge note four, an EHR 300 hours.

Run: python bench/epoch.py [stays] [batch size] [--encoders]
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from medpatch.config.name import PHENOTYPES, Modality
from medpatch.config.preset import preset
from medpatch.config.train import LossWeighting, TrainConfig
from medpatch.feature.batching import shuffled
from medpatch.feature.column import ColumnWriter, open_column
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
ENCODED, RR_CHUNKS, DN_CHUNKS = 2, 1, 4


def write_column(path: Path, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
    """Random rows on disk, read back as training reads them; one block again and again, as values cost nothing."""
    writer, block = ColumnWriter(path, dtype=dtype), torch.rand(STAYS_AT_ONCE, *shape[1:])
    for first in range(0, shape[0], STAYS_AT_ONCE):
        writer.append(block[: min(STAYS_AT_ONCE, shape[0] - first)])
    writer.close()
    return open_column(path)


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
    # products of the shared projection of present modalities, forward and for the gradient of its weights
    columns = sum(WIDTH[m] * int((store.row[m] >= 0).sum()) for m in WIDTH)
    need = 2 * columns * (LABELS + 1) * config.model.encoder.width / 1e9
    rate = matmul_rate()
    print(f"{stays} stays, K={LABELS}, {len(weights)} weight tensors, batches of {batch_size}, {size:.1f} GiB of pools")
    print(f"one epoch            {whole:8.1f} s, of which reading pools {reading:.1f} s")
    print(f"scaled to {PAPER_STAYS} stays {whole * PAPER_STAYS / stays:8.1f} s")
    print(f"products it needs    {need:8.0f} G at {rate:.0f} G/s measured = {need / rate:.1f} s")


@torch.no_grad()
def published(epoch_stays: int) -> None:
    """Print what encoders cost that are run in every step."""
    from transformers import BertConfig, BertModel, ViTConfig, ViTModel

    lstm = torch.nn.LSTM(76, 512, batch_first=True)
    image = ViTModel(ViTConfig(hidden_size=384, num_attention_heads=6, intermediate_size=1536, image_size=384)).eval()
    note = BertModel(BertConfig()).eval()
    hours, pixels = torch.rand(ENCODED, 300, 76), torch.rand(ENCODED, 3, 384, 384)
    ids = torch.randint(1000, 20_000, (ENCODED, 512))
    ehr = seconds_of(lambda: lstm(hours)) / ENCODED
    cxr = seconds_of(lambda: image(pixels)) / ENCODED
    chunk = seconds_of(lambda: note(input_ids=ids, attention_mask=torch.ones_like(ids))) / ENCODED
    stay = 2 * (ehr + cxr + (RR_CHUNKS + DN_CHUNKS) * chunk)
    print(f"encoders, s per stay: ehr {ehr:.3f}, cxr {cxr:.3f}, chunk of a note {chunk:.3f}")
    print(
        f"published epoch, encoders alone: {stay:.2f} s per stay, {stay * epoch_stays / 3600:.0f} h for {epoch_stays}"
    )


def seconds_of(run: Callable[[], object]) -> float:
    """Of the faster of two, after one to warm up."""
    times = []
    for _ in range(3):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times[1:])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stays", nargs="?", type=int, default=PAPER_STAYS)
    parser.add_argument("batch_size", nargs="?", type=int, default=PAPER_BATCH)
    parser.add_argument("--encoders", action="store_true")
    chosen = parser.parse_args()
    main(chosen.stays, chosen.batch_size)
    if chosen.encoders:
        published(PAPER_STAYS)
