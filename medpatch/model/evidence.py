"""A weighted sum of what several heads have found, its weights fitted on stays that trained none of them."""

import logging

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from torch import Tensor, nn

logger = logging.getLogger(__name__)

PRIOR_EPS = 1e-4
RIDGE = 10.0
"""Pull of the weights to their start, in units of summed cross-entropy."""


class EvidenceSum(nn.Module):
    """logit_k = b_k + sum over heads h with input of w_hk (logit_hk - prior_k), every w_hk at least zero.

    A head that says no more than the prior moves nothing, and a head without input neither. Heads that agree add
    up where a mean of logits stays as unsure as its members; those that repeat each other, or know the train stays by
    heart, get small weights. A label that is not fitted (`is_fitted` (K,)) has weights of 1 / H and the prior as b;
    whoever has a better prediction for it should use that.

    Source: a logarithmic opinion pool (Genest and Zidek 1986, doi:10.1214/ss/1177013825), its weights learned by
    stacking (Wolpert 1992, doi:10.1016/S0893-6080(05)80023-1), which must not be negative (Breiman 1996,
    doi:10.1007/BF00117832).
    """

    def __init__(self, prior_logit: Tensor, head_count: int) -> None:
        """Take the log-odds (K,) of the train prevalence, and H."""
        super().__init__()
        self.register_buffer("prior_logit", prior_logit.clone())
        self.register_buffer("weight", torch.full((head_count, len(prior_logit)), 1.0 / max(head_count, 1)))
        self.register_buffer("bias", prior_logit.clone())
        self.register_buffer("is_fitted", torch.zeros(len(prior_logit), dtype=torch.bool))

    def forward(self, logits: Tensor, present: Tensor) -> Tensor:
        """Logits (B, K) from those of the heads (B, H, K) and which of them have input (B, H)."""
        return self.bias + (self.weight * self.evidence(logits, present)).sum(dim=1)

    def evidence(self, logits: Tensor, present: Tensor) -> Tensor:
        """(B, H, K) of what each head adds to the prior; zeros where it has no input."""
        return (logits - self.prior_logit).masked_fill(~present.bool().unsqueeze(-1), 0.0)

    @torch.no_grad()
    def fit(self, logits: Tensor, present: Tensor, label: Tensor, *, ridge: float = RIDGE) -> None:
        """Choose weights and b of each label: least cross-entropy, plus ridge times the squared way from the start.

        A label of one class among these stays is not fitted.

        Args:
            logits: (N, H, K) of stays that trained no head.
            present: (N, H).
            label: (N, K) of 0 and 1.
            ridge: 0 leaves the weights free.
        """
        unknown = self._fit(logits, present, label, ridge=ridge)
        if unknown:
            logger.warning(
                "weighted sum of heads: %d of %d labels have one class among the stays that it is fitted on and keep "
                "the mean",
                unknown,
                len(self.bias),
            )

    @torch.no_grad()
    def out_of_fold(
        self, logits: Tensor, present: Tensor, label: Tensor, *, fold: Tensor, ridge: float = RIDGE
    ) -> Tensor:
        """Logits (N, K) of the stays that it was fitted on, each with the weights that the other folds give.

        What is chosen or judged on these stays would otherwise be so on an answer that they had a say in. The offset is
        that of all of them: one of each fold's own would order stays by what their fold lacks.

        Args:
            logits: as for `fit`, which came before.
            present: likewise.
            label: likewise.
            fold: (N,) the same number for all stays of a patient.
            ridge: as for `fit`.
        """
        found = self(logits, present)
        for one in fold.unique():
            inside = fold == one
            other = EvidenceSum(self.prior_logit, len(self.weight))
            other._fit(logits[~inside], present[~inside], label[~inside], ridge=ridge)
            other.bias.copy_(self.bias)
            found[inside] = torch.where(other.is_fitted, other(logits[inside], present[inside]), found[inside])
        return found

    def _fit(self, logits: Tensor, present: Tensor, label: Tensor, *, ridge: float) -> int:
        """Number of labels that could not be fitted."""
        evidence = self.evidence(logits.double(), present).cpu().numpy()  # (N, H, K)
        start = 1.0 / max(len(self.weight), 1)
        unknown = 0
        for k, wanted in enumerate(label.double().cpu().numpy().T):
            if not 0.0 < wanted.mean() < 1.0:
                unknown += 1
                continue
            weight, bias = _fit_one(evidence[:, :, k], wanted, start=start, ridge=ridge)
            self.weight[:, k] = torch.from_numpy(weight)
            self.bias[k], self.is_fitted[k] = bias, True
        return unknown


def prior_logit(prevalence: Tensor) -> Tensor:
    """Log-odds (K,) of the train prevalence (K,), kept finite."""
    return torch.logit(prevalence.float(), eps=PRIOR_EPS)


def _fit_one(
    evidence: NDArray[np.float64], label: NDArray[np.float64], *, start: float, ridge: float
) -> tuple[NDArray[np.float64], float]:
    """Weights (H,) and offset from evidence (N, H) and label (N,)."""
    heads = evidence.shape[1]
    design = np.column_stack([evidence, np.ones(len(evidence))])

    def loss(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logit, distance = design @ point, point[:heads] - start
        slope = design.T @ (expit(logit) - label)
        slope[:heads] += 2.0 * ridge * distance
        return float(np.logaddexp(0.0, logit).sum() - label @ logit + ridge * distance @ distance), slope

    share = label.mean()
    first = np.append(np.full(heads, start), np.log(share / (1.0 - share)))
    bounds = [(0.0, None)] * heads + [(None, None)]
    found = minimize(loss, first, jac=True, method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-12, "maxiter": 1000})
    return found.x[:heads], float(found.x[heads])
