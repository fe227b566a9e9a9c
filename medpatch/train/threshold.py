"""Thresholds chosen per label on val, and temperatures per token position: options of stage 2b."""

import torch
from torch import Tensor

from medpatch.train.auroc import macro_auroc
from medpatch.train.calibrate import fit_temperature, fit_threshold

SHARES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 0.75)
"""Shares of train tokens that may be called high."""
FEWEST_TOKENS = 50


def choose_threshold(
    train_score: Tensor, *, val_score: Tensor, val_logits: Tensor, owner: Tensor, label: Tensor, default_share: float
) -> Tensor:
    """The threshold of each label whose high tokens tell it best.

    A candidate is the score that a share of the train tokens reach. It is judged by the AUROC over val stays of
    the mean logit of a stay's high tokens, which is what a linear head sees of their pool; a stay without any
    gets the mean over all stays that have some. Of equals the larger share is taken. A label with one class on
    val takes `default_share`.

    Args:
        train_score: (R, K) of train tokens.
        val_score: (V, K) of val tokens.
        val_logits: (V, K) of the same tokens.
        owner: (V,) int64, the stay of each token, below n.
        label: (n, K) of the val stays.
        default_share: for labels that cannot be judged.

    Returns:
        (K,).

    Deviates: the published threshold is 0.75 for every label and modality.
    """
    candidate = torch.stack([fit_threshold(train_score, share) for share in (*SHARES, default_share)])  # (S + 1, K)
    quality = torch.stack(
        [_quality(val_score >= one, val_logits, owner=owner, label=label) for one in candidate[:-1]]
    )  # (S, K)
    # the last of equals is the largest share
    best = len(SHARES) - 1 - quality.flip(0).nan_to_num(-1.0).argmax(dim=0)
    place = torch.where(quality.isnan().all(dim=0), len(SHARES), best)
    return candidate.gather(0, place.unsqueeze(0)).squeeze(0)


def fit_position_temperature(
    logits: Tensor, label: Tensor, *, position: Tensor, count: int, centre: Tensor | None = None
) -> Tensor:
    """One temperature per token position and label; a position with few tokens takes the label's common one.

    Args:
        logits: (R, K) of tokens.
        label: (R, K) of 0 and 1.
        position: (R,) int64 place of each token in its stay; from `count` - 1 on they are one position.
        count: P.
        centre: (K,), see `fit_temperature`.

    Returns:
        (P, K).

    Source: MedPatch, stage 2b, whose temperatures are all per position.
    """
    table = fit_temperature(logits, label, centre=centre).repeat(count, 1)
    place = position.clamp_max(count - 1)
    for p in range(count):
        here = place == p
        if int(here.sum()) >= FEWEST_TOKENS:
            table[p] = fit_temperature(logits[here], label[here], centre=centre)
    return table


def _quality(high: Tensor, logits: Tensor, *, owner: Tensor, label: Tensor) -> Tensor:
    """(K,) AUROC of the mean logit of each stay's high tokens; nan for a label with one class."""
    stays = torch.zeros_like(label, dtype=logits.dtype)
    count = stays.clone().index_add_(0, owner, high.to(logits.dtype))
    total = stays.index_add_(0, owner, logits * high)
    some = count > 0
    mean = torch.where(some, total / count.clamp_min(1), 0.0)
    mean = torch.where(some, mean, mean.sum(dim=0) / some.sum(dim=0).clamp_min(1))
    labels = range(label.shape[1])
    return torch.tensor([macro_auroc(mean[:, [k]], label[:, [k]])[0] for k in labels], device=logits.device)
