"""Time and memory of one fusion step, forward and backward, beside the published graph taken token by token.

The published graph projects every token twice, multiplies tokens (B, N, 1, D) by class-wise masks (B, N, K, 1) and
averages the products. Ours pools first, projects K vectors, and reads pools from a cache where there is one.
"Repaired" is the default joint module, which shares a projection, on the same pools; the others give the same numbers.

Run: python bench/fusion_step.py [labels ...] [--hours 48|300] [--threads n]
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from medpatch.config.model import Compat, FusionConfig, ModelConfig, Score
from medpatch.config.name import Modality
from medpatch.contract.batch import FusionOutput, Tokens
from medpatch.model.build import build_fusion, build_scorer
from medpatch.model.extractor import Extractor
from medpatch.model.feature import Features
from medpatch.model.fusion import Fusion
from medpatch.model.spec import InputSpec

STAYS, WIDTH = 16, 512
RAW = {Modality.EHR: 512, Modality.CXR: 384, Modality.RR: 768, Modality.DN: 768}
LENGTH = {Modality.CXR: 577, Modality.RR: 512, Modality.DN: 512}
THRESHOLD = 0.75
REPEATS = 5


@dataclass(frozen=True)
class Cost:
    """Of one step.

    Attributes:
        seconds: fastest of the repeats.
        mebibytes: most that tensors made in the step held at one time, beside weights, gradients and tokens.
    """

    seconds: float
    mebibytes: float


class PublishedGraph(nn.Module):
    """The published fusion forward, written out token by token over the weights of our `Fusion`.

    Source: published code of MedPatch, class-wise partition without a fuser.
    """

    def __init__(self, fusion: Fusion, predictor: dict[Modality, nn.Linear]) -> None:
        """Take our fusion module and the frozen token predictors."""
        super().__init__()
        self.fusion = fusion
        self.predictor = predictor

    def forward(self, tokens: dict[Modality, Tokens], presence: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """High, low and late logits (B, K)."""
        high, low, heads = [], [], []
        for name in self.fusion.order:
            branch, raw = self.fusion.branch[name], tokens[name].value
            heads.append(branch.head(branch.unimodal_projection(tokens[name].pooled)))
            with torch.no_grad():
                p = torch.sigmoid(self.predictor[name](raw))
                is_high = (torch.maximum(p, 1 - p) >= THRESHOLD).to(raw.dtype).unsqueeze(-1)  # (B, N, K, 1)
            for pools, projection, chosen in (
                (high, branch.high_projection, is_high),
                (low, branch.low_projection, 1 - is_high),
            ):
                product = projection(raw).unsqueeze(2) * chosen  # (B, N, K, D)
                pools.append(product.sum(dim=1) / chosen.sum(dim=1).clamp_min(1))
        high_logits = self.fusion.high_joint.head(torch.stack(high, dim=1).flatten(1))
        low_logits = self.fusion.low_joint.head(torch.stack(low, dim=1).flatten(1))
        heads = torch.stack([*heads, self.fusion.missingness(presence), low_logits, high_logits], dim=1)
        weight = torch.softmax(self.fusion.late_weight, dim=0)
        mask = torch.cat([presence.float(), torch.ones(len(presence), 3)], dim=1).unsqueeze(-1)
        share = weight * mask
        late = (heads * share).sum(dim=1) / (share.sum(dim=(1, 2)).unsqueeze(-1) + 1e-8)
        return high_logits, low_logits, late


def make_tokens(modalities: tuple[Modality, ...], hours: int) -> dict[Modality, Tokens]:
    """Random encoder outputs of paper size, all real, as the published code takes them."""
    g = torch.Generator().manual_seed(0)
    found = {}
    for m in modalities:
        value = torch.randn(STAYS, LENGTH.get(m, hours), RAW[m], generator=g)
        found[m] = Tokens(value, torch.ones(value.shape[:2], dtype=torch.bool), value.mean(dim=1))
    return found


@dataclass(frozen=True)
class Way:
    """One way to take the step: what it does, and the network whose gradients it leaves."""

    run: Callable[[], None]
    network: nn.Module


def measure(ways: Mapping[str, Way]) -> dict[str, Cost]:
    """Time of every step, taken in turn from no gradients as in training, and its memory."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(REPEATS + 1):
        for name, way in ways.items():
            way.network.zero_grad(set_to_none=True)
            started = time.perf_counter()
            way.run()
            if repeat:  # the first one warms up
                seconds[name].append(time.perf_counter() - started)
    return {name: Cost(min(seconds[name]), mebibytes_of(way)) for name, way in ways.items()}


def mebibytes_of(way: Way) -> float:
    """Most that was held at one time, as the profiler sees every allocation of the CPU."""
    way.run()
    way.network.zero_grad(set_to_none=False)  # gradients are there before the step and not counted
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        way.run()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        seen.export_chrome_trace(str(trace))
        events = [e for e in json.loads(trace.read_text())["traceEvents"] if e.get("name") == "[memory]"]
    held = accumulate(e["args"]["Bytes"] for e in sorted(events, key=lambda e: e["ts"]))
    return max([0, *held]) / 2**20


def compare(labels: int, hours: int) -> None:
    """Print one block of figures."""
    modalities = tuple(Modality) if labels > 1 else (Modality.EHR, Modality.CXR, Modality.RR)
    spec = InputSpec(modalities, tuple(map(str, range(labels))), (0.15,) * labels, 384, 0, 512)
    fusion_config = FusionConfig(score=Score.CONFIDENCE, threshold=THRESHOLD, high_share=None, compat=Compat.PUBLISHED)
    config = ModelConfig(fusion=fusion_config)
    torch.manual_seed(0)
    fusion = build_fusion(config, spec, raw_width={m: RAW[m] for m in modalities})
    scorer = {m: build_scorer(config, spec, modality=m, width=RAW[m]) for m in modalities}
    for one in scorer.values():
        nn.init.normal_(one.predictor.weight, std=0.05)
    repaired = build_fusion(ModelConfig(), spec, raw_width={m: RAW[m] for m in modalities})
    extractor = Extractor({}, scorer, pools_padding=True).requires_grad_(False)
    published = PublishedGraph(fusion, {m: s.predictor for m, s in scorer.items()})
    tokens = make_tokens(modalities, hours)
    presence = torch.rand(STAYS, len(modalities), generator=torch.Generator().manual_seed(1)) < 0.7
    label = (torch.rand(STAYS, labels, generator=torch.Generator().manual_seed(2)) < 0.15).float()

    def learn(heads: tuple[Tensor, Tensor, Tensor]) -> None:
        losses = [nn.functional.binary_cross_entropy_with_logits(head, label) for head in heads]
        (sum(losses) / 3).backward()

    def extract() -> Features:
        with torch.no_grad():
            return Features(presence, {m: extractor.pool(m, t) for m, t in tokens.items()})

    cached = extract()
    ways = {
        "published": Way(lambda: learn(published(tokens, presence)), fusion),
        "ours": Way(lambda: learn(three(fusion(extract()))), fusion),
        "ours, cached pools": Way(lambda: learn(three(fusion(cached))), fusion),
        "repaired, cached": Way(lambda: learn(three(repaired(cached))), repaired),
    }
    gradients = []
    with torch.no_grad():
        difference = max(
            (a - b).abs().max().item() for a, b in zip(published(tokens, presence), three(fusion(cached)), strict=True)
        )
    for name in ("published", "ours"):
        fusion.zero_grad(set_to_none=True)
        ways[name].run()
        gradients.append({n: p.grad.clone() for n, p in fusion.named_parameters() if p.grad is not None})
    gap = max((gradients[0][n] - gradients[1][n]).abs().max().item() for n in gradients[1])
    print(f"\nK={labels}, {hours} hours, B={STAYS}, {len(modalities)} modalities, {torch.get_num_threads()} threads")
    print(f"largest difference: logits {difference:.1e}, gradients {gap:.1e}")
    cost = measure(ways)
    for name, one in cost.items():
        faster, smaller = (
            getattr(cost["published"], kind) / max(getattr(one, kind), least)
            for kind, least in (("seconds", 1e-9), ("mebibytes", 1.0))
        )
        print(
            f"{name:20s} {one.seconds * 1e3:10.1f} ms {one.mebibytes:10.1f} MiB   "
            f"ratio {faster:7.1f} in time, {smaller:7.1f} in memory"
        )


def three(output: FusionOutput) -> tuple[Tensor, Tensor, Tensor]:
    """The logits that the loss reads."""
    return output.high, output.low, output.late


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labels", nargs="*", type=int, default=[1, 25])
    parser.add_argument("--hours", type=int, nargs="*", default=[48, 300])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    for count in chosen.labels:
        for length in chosen.hours:
            compare(count, length)
