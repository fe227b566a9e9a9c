"""How sure the model is of a label when it sees one token."""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from medpatch.config.model import Score
from medpatch.model.block import rank_of
from medpatch.model.head import LogitMap

SMALLEST_TEMPERATURE = 1e-9
AGAINST_PRIOR = (Score.PRIOR_SHIFTED, Score.INFORMATION)
"""Scores of a token that count from the prevalence."""


def scaled_logits(logits: Tensor, temperature: Tensor | float) -> Tensor:
    """Token logits divided by the temperature.

    Args:
        logits: (B, N, K).
        temperature: a number, (K,) per label, (N,) per position, or (N, K) and longer in N, of which the
            first N rows are used; (B, N, K) one per stay, too. A vector that fits both N and K is read as per label.

    Returns:
        (B, N, K), float32 for shorter floats: the smallest temperature is zero to half precision.

    Raises:
        ValueError: the logits have another number of axes, or the temperature fits none of these.
    """
    if logits.dim() != 3:
        raise ValueError(f"token logits {tuple(logits.shape)} must be (B, N, K); with one label K is 1")
    stays, positions, labels = logits.shape
    dtype = torch.promote_types(logits.dtype, torch.float32)
    value = torch.as_tensor(temperature, dtype=dtype, device=logits.device)
    if value.dim() == 1 and value.shape[0] not in (1, labels):
        value = value.unsqueeze(1)
    if value.dim() == 2:
        value = value[:positions]
    whole = (1,) * (3 - value.dim()) + tuple(value.shape)  # as it is stretched over (B, N, K)
    wanted = (stays, positions, labels)
    fits = len(whole) == 3 and all(n in (1, size) for n, size in zip(whole, wanted, strict=True))
    if not fits:
        raise ValueError(
            f"token logits {tuple(logits.shape)} and temperature {tuple(torch.as_tensor(temperature).shape)} "
            "do not fit; pass a number, one value per label, one per position, both, or all three axes"
        )
    return logits.to(dtype) / value.clamp_min(SMALLEST_TEMPERATURE)


def token_confidence(logits: Tensor, temperature: Tensor | float = 1.0) -> Tensor:
    """Confidence in the likelier answer, max(p, 1 - p), per token and label.

    Args:
        logits: (B, N, K).
        temperature: see `scaled_logits`.

    Returns:
        (B, N, K) in [0.5, 1], float32 for shorter floats.

    Source: MedPatch, confidence-guided patching.
    """
    return likelier(scaled_logits(logits, temperature))


def likelier(logits: Tensor) -> Tensor:
    """max(p, 1 - p) of a logit, any shape."""
    return torch.sigmoid(logits.abs())


def binary_entropy(logits: Tensor) -> Tensor:
    """Entropy of the answer in nats, in [0, ln 2], any shape."""
    p = torch.sigmoid(logits)
    return nn.functional.softplus(logits) - p * logits


def certainty(logits: Tensor) -> Tensor:
    """One minus the entropy in units of ln 2: 0 for a coin flip, 1 for a sure answer, any shape.

    Deviates: the published entropy variant calls a token "high" where its entropy is large, that is where
    the model is unsure, and compares nats (at most 0.69) with 0.75.
    """
    return 1.0 - binary_entropy(logits) / math.log(2.0)


def information(logits: Tensor, prior_logit: Tensor) -> Tensor:
    """How much a token teaches over the base rate: 0 for nothing, 1 for certainty of the rarer answer, any shape.

    The Kullback-Leibler divergence from the prior Bernoulli distribution to the token's, divided by the largest
    that any token could reach. It grows with the distance from the prior in either direction; certainty of the
    commoner answer teaches less and scores lower.
    """
    p, log_p, log_not = torch.sigmoid(logits), logsigmoid(logits), logsigmoid(-logits)
    prior_p, prior_not = logsigmoid(prior_logit), logsigmoid(-prior_logit)
    gained = p * (log_p - prior_p) + (1.0 - p) * (log_not - prior_not)
    return (gained / torch.maximum(-prior_p, -prior_not)).clamp(0.0, 1.0)


def score_against(score: Score, prior_logit: Tensor, *, in_nats: bool = False) -> Callable[[Tensor], Tensor]:
    """The function from scaled token logits (B, N, K) to the score that the threshold is compared with.

    Args:
        score: which one. PRIOR_SHIFTED subtracts the log-odds of the label's prevalence first, so that a
            token which says nothing scores 0.5 whatever the base rate; a score of 0.75 then means that the
            token changes the odds threefold, in either direction. INFORMATION is what a token teaches over the
            prevalence, see `information`.
        prior_logit: (K,) log-odds of the train prevalence.
        in_nats: make ENTROPY the entropy itself, as published, instead of the certainty.

    Deviates: the published score is `CONFIDENCE`. With a label of 12 % a silent token has a confidence of
    0.88, and nearly everything is "high" at 0.75.
    """
    functions: Mapping[Score, Callable[[Tensor], Tensor]] = {
        Score.CONFIDENCE: likelier,
        Score.PRIOR_SHIFTED: lambda logits: likelier(logits - prior_logit),
        Score.INFORMATION: lambda logits: information(logits, prior_logit),
        Score.ENTROPY: binary_entropy if in_nats else certainty,
    }
    return functions[score]


class TokenScorer(nn.Module):
    """One small network from a raw token to label logits, a temperature, a score and its threshold.

    The threshold and the temperature are buffers: found after the weights, on other stays. The network starts at
    the prevalence, whatever the token, so that training finds what tokens add to it.

    The temperature divides the distance of a logit from `centre`, the logit of a token that says nothing: the
    log-odds of the prevalence for a score that counts from it, else 0.

    Source: MedPatch, stage 2, whose predictor is the linear one. Deviates: the published temperature divides the logit
    itself. Most tokens say nothing, so it mainly moves them all to the prevalence of the stays that it is fitted on,
    and a score that counts from the train prevalence takes that for evidence.
    """

    def __init__(
        self,
        width: int,
        prevalence: Sequence[float],
        *,
        score: Score,
        threshold: float,
        use_temperature: bool = True,
        in_nats: bool = False,
        positions: int = 0,
        hidden_width: int = 0,
    ) -> None:
        """Take the raw width D and the K prevalences; see `score_against` for `score` and `in_nats`.

        With a `hidden_width` above zero the predictor has a hidden layer, else it is linear, as published.
        With `positions` P above zero there is one temperature per position and label; real tokens from the P-th
        on share the last one.
        """
        super().__init__()
        labels = len(prevalence)
        self.score = score
        self.use_temperature = use_temperature
        self.in_nats = in_nats
        last = LogitMap(hidden_width or width, labels)
        self.predictor = nn.Sequential(nn.Linear(width, hidden_width), nn.GELU(), last) if hidden_width else last
        self.register_buffer("temperature", torch.ones(positions, labels) if positions else torch.ones(labels))
        self.register_buffer("threshold", torch.full((labels,), float(threshold)))
        self.register_buffer("prior_logit", torch.logit(torch.tensor(prevalence, dtype=torch.float32), eps=1e-4))
        with torch.no_grad():
            last.weight.zero_()
            last.bias.copy_(self.prior_logit)

    @property
    def centre(self) -> Tensor:
        """(K,) logit of a token that says nothing, which no temperature moves."""
        return self.prior_logit if self.score in AGAINST_PRIOR else torch.zeros_like(self.prior_logit)

    def forward(self, tokens: Tensor, token_mask: Tensor | None = None) -> Tensor:
        """Raw tokens (B, N, D) -> scores (B, N, K); the mask (B, N) tells the position of each real token."""
        return self.score_logits(self.predictor(tokens), None if token_mask is None else rank_of(token_mask))

    def score_logits(self, logits: Tensor, position: Tensor | None = None) -> Tensor:
        """Token logits (B, N, K) -> scores (B, N, K); arguments as those of `scaled`."""
        return score_against(self.score, self.prior_logit, in_nats=self.in_nats)(self.scaled(logits, position))

    def scaled(self, logits: Tensor, position: Tensor | None = None) -> Tensor:
        """Token logits (B, N, K) after the temperature.

        Args:
            logits: (B, N, K).
            position: (B, N) int64 place of each token in its stay, where it is not the column.
        """
        if not self.use_temperature:
            return logits
        temperature = self._temperature_at(logits, position).clamp_min(SMALLEST_TEMPERATURE)
        return self.centre + (logits - self.centre) / temperature

    def _temperature_at(self, logits: Tensor, position: Tensor | None) -> Tensor:
        if self.temperature.dim() == 1:
            return self.temperature  # (K,)
        if position is None:
            position = torch.arange(logits.shape[1], device=logits.device)
        return self.temperature[position.clamp_max(len(self.temperature) - 1)]  # (N, K) or (B, N, K)
