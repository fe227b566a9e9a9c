"""Bayes-optimal probability of every label given what is visible; closed form."""

from dataclasses import dataclass

import numpy as np

from medpatch.synthetic.evidence import Evidence
from medpatch.synthetic.state import StateModel


@dataclass(frozen=True)
class Posterior:
    """What can be known about N stays.

    Attributes:
        severity: (N, S).
        condition: (N, K) probability that the condition is present.
        death: (N,) probability of dying in hospital.
    """

    severity: np.ndarray
    condition: np.ndarray
    death: np.ndarray


def posterior(model: StateModel, evidence: Evidence, *, log_visible: np.ndarray) -> Posterior:
    """Exact posterior by summing each binary node out given the severity level.

    p(s | data) is proportional to p(s) p(visible | s) L(s) prod_k sum_c p(c | s) L_k(c) sum_y p(y | s) L(y);
    each label then mixes its own conditional over the levels.

    Args:
        model: probabilities of the hidden nodes.
        evidence: log-likelihoods of the visible symbols.
        log_visible: (N, S) log-probability, given the level, of which parts are there to be seen.
    """
    absent = np.log1p(-model.condition) + evidence.condition[:, None, :, 0]  # (N, S, K)
    present = np.log(model.condition) + evidence.condition[:, None, :, 1]
    survives = np.log1p(-model.death) + evidence.death[:, None, 0]  # (N, S)
    dies = np.log(model.death) + evidence.death[:, None, 1]
    condition = np.logaddexp(absent, present)
    death = np.logaddexp(survives, dies)
    joint = np.log(model.severity) + log_visible + evidence.severity + condition.sum(axis=2) + death
    severity = np.exp(joint - joint.max(axis=1, keepdims=True))
    severity /= severity.sum(axis=1, keepdims=True)
    return Posterior(
        severity=severity,
        condition=np.einsum("ns,nsk->nk", severity, np.exp(present - condition)),
        death=np.einsum("ns,ns->n", severity, np.exp(dies - death)),
    )
