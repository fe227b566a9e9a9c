"""Does splitting tokens by confidence earn its place, and by which score? A table over a finished run.

The encoders and token predictors of the run are taken as they are; only the fusion part is trained anew, for each
way of splitting and each seed. Beside the scores stand a random split of the same size and no split at all.

Run: python bench/partition.py <tensor folder> <checkpoint folder> [--seeds 3] [--epochs 30] [--only name ...]
"""

import argparse
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from medpatch.config.model import FusionConfig, ModelConfig, Score
from medpatch.config.name import Modality, Split
from medpatch.contract.batch import Tokens
from medpatch.data.dataset import ShardDataset
from medpatch.data.loader import make_loader
from medpatch.model.build import build_medpatch, build_scorer
from medpatch.model.checkpoint import load_scorer, load_unimodal, read
from medpatch.model.extractor import Extractor
from medpatch.model.feature import Features, ModalityFeature
from medpatch.model.present import encode_present
from medpatch.model.spec import InputSpec
from medpatch.model.unimodal import Unimodal
from medpatch.train.auroc import macro_auroc
from medpatch.train.calibrate import fit_threshold
from medpatch.train.threshold import choose_threshold

BATCH, RATE, DECAY, PATIENCE = 64, 3e-3, 0.01, 6
EVERYTHING_IS_HIGH = -1.0


@dataclass(frozen=True)
class Way:
    """One way of splitting: a score, and a fixed threshold, a share of train tokens, or a share chosen on val."""

    score: Score | None
    threshold: float | None = None
    share: float | None = None
    use_joint: bool = True


WAYS = {
    "confidence >= 0.75, published": Way(Score.CONFIDENCE, threshold=0.75),
    "confidence, top quarter": Way(Score.CONFIDENCE, share=0.25),
    "certainty, top quarter": Way(Score.ENTROPY, share=0.25),
    "prior-shifted >= 0.75": Way(Score.PRIOR_SHIFTED, threshold=0.75),
    "prior-shifted, top tenth": Way(Score.PRIOR_SHIFTED, share=0.1),
    "prior-shifted, top quarter": Way(Score.PRIOR_SHIFTED, share=0.25),
    "prior-shifted, top half": Way(Score.PRIOR_SHIFTED, share=0.5),
    "prior-shifted, share from val": Way(Score.PRIOR_SHIFTED),
    "information, top quarter": Way(Score.INFORMATION, share=0.25),
    "information, share from val": Way(Score.INFORMATION),
    "random quarter": Way(None, share=0.25),
    "no split, plain mean": Way(Score.CONFIDENCE, threshold=EVERYTHING_IS_HIGH),
    "no joint module": Way(Score.CONFIDENCE, threshold=EVERYTHING_IS_HIGH, use_joint=False),
}


@dataclass(frozen=True)
class Part:
    """One split: tokens per modality, presence (n, M), labels (n, K)."""

    tokens: Mapping[Modality, Tokens]
    presence: Tensor
    label: Tensor


@torch.no_grad()
def read_split(tensor_dir: Path, split: Split, unimodal: Mapping[Modality, Unimodal]) -> Part:
    """Tokens of all stays of a split."""
    parts: dict[Modality, list[Tokens]] = {m: [] for m in unimodal}
    presence, label = [], []
    dataset = ShardDataset(tensor_dir, split, modalities=tuple(unimodal), resident_shards=1)
    for batch in make_loader(dataset, batch_size=BATCH, shuffle=False, seed=0):
        for column, (m, network) in enumerate(unimodal.items()):
            here = batch.presence[:, column]
            parts[m].append(encode_present(network.encoder, batch.value[m], mask=batch.mask[m], present=here))
        presence.append(batch.presence)
        label.append(batch.label)
    return Part({m: joined(p) for m, p in parts.items()}, torch.cat(presence), torch.cat(label))


def joined(parts: list[Tokens]) -> Tokens:
    """Tokens of many batches under one padding."""
    longest = max(p.value.shape[1] for p in parts)
    pads = [longest - p.value.shape[1] for p in parts]
    return Tokens(
        torch.cat([nn.functional.pad(p.value, (0, 0, 0, pad)) for p, pad in zip(parts, pads, strict=True)]),
        torch.cat([nn.functional.pad(p.token_mask, (0, pad)) for p, pad in zip(parts, pads, strict=True)]),
        torch.cat([p.pooled for p in parts]),
    )


class RandomScore(nn.Module):
    """A number per token and label that means nothing, the same for the same token."""

    def __init__(self, width: int, labels: int) -> None:
        """Take the raw width D and K."""
        super().__init__()
        self.register_buffer("direction", 1e3 * torch.randn(width, labels))
        self.register_buffer("threshold", torch.zeros(labels))

    def forward(self, tokens: Tensor, token_mask: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, K) in [0, 1)."""
        return (tokens @ self.direction).frac().abs()


@torch.no_grad()
def make_scorer(
    way: Way, trained: nn.Module, config: ModelConfig, *, spec: InputSpec, name: Modality, train: Part, val: Part
) -> nn.Module:
    """The trained predictor under this score, with its threshold."""
    tokens = train.tokens[name]
    width = tokens.value.shape[2]
    if way.score is None:
        scorer = RandomScore(width, spec.label_count)
    else:
        fusion = config.fusion.model_copy(update={"score": way.score})
        scorer = build_scorer(config.model_copy(update={"fusion": fusion}), spec, modality=name, width=width)
        scorer.load_state_dict(trained.state_dict())
    if way.threshold is not None:
        scorer.threshold.fill_(way.threshold)
        return scorer
    score = scorer(tokens.value, tokens.token_mask)[tokens.token_mask]
    if way.share is not None:
        scorer.threshold.copy_(fit_threshold(score, way.share))
        return scorer
    held = val.tokens[name]
    stay = torch.arange(len(val.label)).unsqueeze(1).expand_as(held.token_mask)[held.token_mask]
    stays, owner = stay.unique(return_inverse=True)
    chosen = choose_threshold(
        score,
        val_score=scorer(held.value, held.token_mask)[held.token_mask],
        val_logits=scorer.predictor(held.value)[held.token_mask],
        owner=owner,
        label=val.label[stays],
        default_share=0.25,
    )
    scorer.threshold.copy_(chosen)
    return scorer


def rows(features: Features, index: Tensor) -> Features:
    """Features of some stays."""
    modality = {
        m: ModalityFeature(**{f.name: getattr(one, f.name)[index] for f in fields(one)})
        for m, one in features.modality.items()
    }
    return Features(features.presence[index], modality)


def train_fusion(
    make: Callable[[], nn.Module], parts: Mapping[Split, tuple[Features, Tensor]], *, seed: int, epochs: int
) -> dict[str, float]:
    """Macro AUROC on test of each head, at the epoch with the best late head on val."""
    torch.manual_seed(seed)
    fusion = make()
    features, label = parts[Split.TRAIN]
    optimiser = torch.optim.AdamW(fusion.parameters(), lr=RATE, weight_decay=DECAY)
    best, found, waited = -1.0, {}, 0
    for _ in range(epochs):
        fusion.train()
        for index in torch.randperm(len(label)).split(BATCH):
            output = fusion(rows(features, index))
            losses = [
                nn.functional.binary_cross_entropy_with_logits(head, label[index])
                for head in (output.high, output.low, output.late)
            ]
            optimiser.zero_grad()
            (sum(losses) / 3).backward()
            nn.utils.clip_grad_norm_(fusion.parameters(), 1.0)
            optimiser.step()
        fusion.eval()
        with torch.no_grad():
            score = macro_auroc(fusion(parts[Split.VAL][0]).late, parts[Split.VAL][1])[0]
            waited += 1
            if score > best:
                best, waited = score, 0
                output = fusion(parts[Split.TEST][0])
                found = {h: macro_auroc(getattr(output, h), parts[Split.TEST][1])[0] for h in ("late", "high", "low")}
        if waited >= PATIENCE:
            break
    return found


def main(tensor_dir: Path, checkpoint_dir: Path, *, seeds: int, epochs: int, only: list[str]) -> None:
    """Print one row per way of splitting."""
    names = [m for m in Modality if (checkpoint_dir / f"confidence-{m}" / "weights.safetensors").exists()]
    unimodal = {m: load_unimodal(checkpoint_dir / f"unimodal-{m}") for m in names}
    trained = {m: load_scorer(checkpoint_dir / f"confidence-{m}", width=u.encoder.width) for m, u in unimodal.items()}
    found = read(checkpoint_dir / f"unimodal-{names[0]}")
    spec = replace(found.spec, modalities=tuple(names))
    part = {split: read_split(tensor_dir, split, unimodal) for split in Split}
    counts = ", ".join(f"{split} {len(p.label)}" for split, p in part.items())
    print(f"{spec.label_count} labels, {'+'.join(names)}, stays: {counts}, {seeds} seeds")
    print(f"{'macro AUROC on test, mean (spread)':36s}{'late':>16s}{'high':>16s}{'low':>16s}{'tokens high':>14s}")
    for title, way in WAYS.items():
        if only and title not in only:
            continue
        fusion_config = FusionConfig(use_joint=way.use_joint, high_share=None)
        config = found.model.model_copy(update={"fusion": fusion_config})
        torch.manual_seed(0)
        scorer = {
            m: make_scorer(way, trained[m], config, spec=spec, name=m, train=part[Split.TRAIN], val=part[Split.VAL])
            for m in names
        }
        extractor = Extractor({}, scorer)
        with torch.no_grad():
            parts = {
                s: (Features(p.presence, {m: extractor.pool(m, t) for m, t in p.tokens.items()}), p.label)
                for s, p in part.items()
            }
        modality = parts[Split.TRAIN][0].modality.values()
        share = torch.cat([one.high_share[one.is_encoded] for one in modality]).mean()

        def make(config: ModelConfig = config, scorer: dict[Modality, nn.Module] = scorer) -> nn.Module:
            return build_medpatch(config, spec, unimodal=unimodal, scorer=scorer).fusion

        runs = [train_fusion(make, parts, seed=seed, epochs=epochs) for seed in range(seeds)]
        cells = []
        for head in ("late", "high", "low"):
            values = [run[head] for run in runs]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            cells.append(f"{statistics.mean(values):9.4f} ({spread:.4f})"[:18].rjust(16))
        print(f"{title:36s}{''.join(cells)}{share:14.2f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tensor_dir", type=Path)
    parser.add_argument("checkpoint_dir", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--only", nargs="*", default=[])
    chosen = parser.parse_args()
    main(chosen.tensor_dir, chosen.checkpoint_dir, seeds=chosen.seeds, epochs=chosen.epochs, only=chosen.only)
