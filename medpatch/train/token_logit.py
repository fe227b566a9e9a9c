"""What a trained scorer says of the tokens of some stays."""

from dataclasses import dataclass

import torch
from torch import Tensor

from medpatch.feature.ragged import Ragged
from medpatch.model.confidence import TokenScorer

MOST_TOKENS_READ = 200_000
"""Enough for a temperature and a quantile per label."""
STAYS_AT_ONCE = 64


@dataclass(frozen=True)
class TokenPart:
    """Tokens of n stays of a split.

    Attributes:
        tokens: of the n stays.
        label: (n, K) float.
        subject_id: (n,) int64.
    """

    tokens: Ragged
    label: Tensor
    subject_id: Tensor


@dataclass(frozen=True)
class TokenLogits:
    """What a scorer's predictor says of R tokens.

    Attributes:
        logits: (R, K), before the temperature.
        label: (R, K) of the token's stay.
        owner: (R,) int64 place of the token's stay among those asked for.
        position: (R,) int64 place of the token in its stay.
    """

    logits: Tensor
    label: Tensor
    owner: Tensor
    position: Tensor

    def scaled(self, scorer: TokenScorer) -> Tensor:
        """(R, K) logits after the temperature that the scorer has now."""
        return scorer.scaled(self.logits.unsqueeze(0), self.position.unsqueeze(0)).squeeze(0)

    def score(self, scorer: TokenScorer) -> Tensor:
        """(R, K), with the temperature that the scorer has now."""
        return scorer.score_logits(self.logits.unsqueeze(0), self.position.unsqueeze(0)).squeeze(0)


def token_logits(scorer: TokenScorer, part: TokenPart, *, stays: Tensor, device: torch.device) -> TokenLogits:
    """Of the tokens of these stays, or of `MOST_TOKENS_READ` of them, spread evenly but at no fixed distance."""
    chosen = thinned(int(part.tokens.length[stays].sum()))
    logits, owners, positions, start = [], [], [], 0
    for first, index in zip(range(0, len(stays), STAYS_AT_ONCE), stays.split(STAYS_AT_ONCE), strict=True):
        row, owner = part.tokens.flat(index)
        length = part.tokens.length[index]
        position = torch.arange(len(owner)) - (length.cumsum(0) - length)[owner]
        first_here, past_here = torch.searchsorted(chosen, torch.tensor([start, start + len(owner)]))
        here, start = chosen[first_here:past_here] - start, start + len(owner)
        logits.append(scorer.predictor(row[here].to(device).float()))
        owners.append(first + owner[here])
        positions.append(position[here])
    owner = torch.cat(owners)
    return TokenLogits(
        torch.cat(logits), part.label[stays][owner].to(device), owner.to(device), torch.cat(positions).to(device)
    )


def thinned(count: int) -> Tensor:
    """(R,) int64, ascending: all of `count` places, or one from each of `MOST_TOKENS_READ` equal stretches.

    Where in its stretch is drawn, the same for the same count: at a fixed distance, stays of one length would always
    show the same positions.
    """
    if count <= MOST_TOKENS_READ:
        return torch.arange(count)
    edge = torch.arange(MOST_TOKENS_READ + 1) * count // MOST_TOKENS_READ
    share = torch.rand(MOST_TOKENS_READ, generator=torch.Generator().manual_seed(count), dtype=torch.float64)
    return edge[:-1] + (share * edge.diff()).long()
