"""The fusion part alone, trained on pools in memory for `bench/partition.py`.

As `train.stage_fusion` does it, but with a fixed rate, equal loss weights and batches of 64.
"""

from collections.abc import Callable, Mapping

import torch
from numpy.typing import NDArray
from partition_part import rows
from torch import Tensor, nn

from medpatch.config.name import Split
from medpatch.evaluate.expected import expected_auroc
from medpatch.model.feature import Features
from medpatch.train.auroc import macro_auroc

BATCH, RATE, DECAY, PATIENCE = 64, 3e-3, 0.01, 5
STAYS_AT_ONCE = 256


def train_fusion(
    make: Callable[[], nn.Module],
    parts: Mapping[Split, tuple[Features, Tensor]],
    *,
    oracle: NDArray,
    seed: int,
    epochs: int,
    is_late_fitted: bool,
) -> dict[str, float]:
    """Macro AUROC of each head on test, and of the late one on val, at the epoch with the best late head on val.

    The expected one is over labels drawn from the oracle's probabilities (n, K) of the test stays. A fitted late head
    is fitted on val once the epoch is known to be the best so far, which "val" does not yet see.
    """
    torch.manual_seed(seed)
    network = make()
    features, label = parts[Split.TRAIN]
    optimiser = torch.optim.AdamW([w for w in network.parameters() if w.requires_grad], lr=RATE, weight_decay=DECAY)
    best, found, waited = -1.0, {}, 0
    for _ in range(epochs):
        network.train()
        for index in torch.randperm(len(label)).split(BATCH):
            output = network(rows(features, index), Split.TRAIN, index)
            heads = (output.high, output.low, output.late)
            loss = sum(nn.functional.binary_cross_entropy_with_logits(head, label[index]) for head in heads) / 3
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
        network.eval()
        score = auroc_of(network, parts, Split.VAL)["late"]
        waited += 1
        if score > best:
            best, waited = score, 0
            if is_late_fitted:
                fit_late(network, parts)
            late = logits_of(network, parts, Split.TEST)["late"].double().numpy()
            expected = expected_auroc(late, oracle)
            found = {**auroc_of(network, parts, Split.TEST), "val": score, "expected": expected}
            network.fusion.evidence = None
        if waited >= PATIENCE:
            break
    return found


@torch.no_grad()
def fit_late(network: nn.Module, parts: Mapping[Split, tuple[Features, Tensor]]) -> None:
    """The late head as `train.stage_fusion` leaves it."""
    features, label = parts[Split.VAL]
    out = [network(rows(features, some), Split.VAL, some) for some in torch.arange(len(label)).split(STAYS_AT_ONCE)]
    evidence = network.fusion.expect_evidence(parts[Split.TRAIN][1].mean(dim=0))
    evidence.fit(torch.cat([o.heads for o in out]), torch.cat([o.has_input for o in out]), label)


def auroc_of(network: nn.Module, parts: Mapping[Split, tuple[Features, Tensor]], split: Split) -> dict[str, float]:
    """Macro AUROC of each head."""
    return {h: macro_auroc(logit, parts[split][1])[0] for h, logit in logits_of(network, parts, split).items()}


@torch.no_grad()
def logits_of(network: nn.Module, parts: Mapping[Split, tuple[Features, Tensor]], split: Split) -> dict[str, Tensor]:
    """(n, K) of each head."""
    features, label = parts[split]
    index = torch.arange(len(label)).split(STAYS_AT_ONCE)
    out = [network(rows(features, some), split, some) for some in index]
    return {h: torch.cat([getattr(o, h) for o in out]) for h in ("late", "high", "low")}
