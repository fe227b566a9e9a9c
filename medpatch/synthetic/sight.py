"""What each task lets each set of modalities see of a plan, and the oracle rows that follow from it."""

from itertools import combinations

import numpy as np
import polars as pl

from medpatch.config.name import Modality, Task, label_names
from medpatch.synthetic.evidence import Evidence, likelihood, likelihood_of_showings, no_evidence
from medpatch.synthetic.oracle import Posterior, posterior
from medpatch.synthetic.plan import MORTALITY_HOURS, Plan
from medpatch.synthetic.state import presence_model, state_model

ModalitySet = tuple[Modality, ...]

TASK_MODALITIES: dict[Task, ModalitySet] = {
    Task.IN_HOSPITAL_MORTALITY: (Modality.EHR, Modality.CXR, Modality.RR),
    Task.PHENOTYPING: tuple(Modality),
}


def modality_sets(task: Task) -> tuple[ModalitySet, ...]:
    """Every non-empty subset of the modalities of a task, canonical order."""
    usable = TASK_MODALITIES[task]
    return tuple(subset for size in range(1, len(usable) + 1) for subset in combinations(usable, size))


def oracle_rows(plan: Plan, task: Task, *, stay_id: np.ndarray, is_listed: np.ndarray) -> pl.DataFrame:
    """Rows of `contract.prediction.ORACLE_SCHEMA` for the listed stays.

    Args:
        plan: N stays.
        task: mortality keeps only stays of at least 48 h.
        stay_id: (N,) int64.
        is_listed: (N,) bool, stays whose files show exactly the plan.
    """
    rows = np.flatnonzero(is_listed & (plan.is_long | (task is Task.PHENOTYPING)))
    names = label_names(task)
    parts = parts_in_sight(plan, task)
    frames = []
    for subset in modality_sets(task):
        known = solve(plan, task, subset=subset, parts=parts)
        probability = known.death[:, None] if task is Task.IN_HOSPITAL_MORTALITY else known.condition
        frames.append(
            pl.DataFrame(
                {
                    "stay_id": np.repeat(stay_id[rows], len(names)),
                    "task": [str(task)] * (len(rows) * len(names)),
                    "label_name": list(names) * len(rows),
                    "modality_set": ["+".join(subset)] * (len(rows) * len(names)),
                    "probability": probability[rows].ravel(),
                }
            )
        )
    return pl.concat(frames)


def solve(plan: Plan, task: Task, *, subset: ModalitySet, parts: dict[str, Evidence] | None = None) -> Posterior:
    """Posterior of every stay of the plan, as if in the cohort of the task, from one set of modalities."""
    parts = parts or parts_in_sight(plan, task)
    seen = no_evidence(plan.count)
    for modality in subset:
        seen = seen + parts[modality]
    if Modality.RR in subset:
        shows_image = np.zeros(plan.count, dtype=bool)
        if Modality.CXR in subset:  # a statement about an image one has before one's eyes adds nothing
            shows_image = plan.has_cxr & ~_is_replaced(plan, task)
        seen = seen + parts["statement"].where(~shows_image)
    return posterior(state_model(), seen, log_visible=log_visible(plan, task, subset=subset))


def parts_in_sight(plan: Plan, task: Task) -> dict[str, Evidence]:
    """Evidence per modality inside the task's window; "statement" is what reports repeat of images."""
    is_mortality = task is Task.IN_HOSPITAL_MORTALITY
    in_time = (plan.assess_hour < MORTALITY_HOURS) | (not is_mortality)
    report_seen = plan.report_in_window | (not is_mortality)
    finding = np.where(_is_replaced(plan, task)[:, None], plan.late_finding, plan.finding)
    reports = likelihood(Modality.RR, plan.rr_symbol, recorded=_everywhere(report_seen, plan.rr_symbol))
    note = likelihood(Modality.DN, plan.dn_symbol, recorded=_everywhere(plan.has_dn, plan.dn_symbol))
    return {
        Modality.EHR: likelihood_of_showings(
            Modality.EHR,
            plan.ehr_shown,
            recorded=plan.ehr_recorded & in_time[:, None],
            stay=plan.assess_stay,
            count=plan.count,
        ),
        Modality.CXR: likelihood(Modality.CXR, finding, recorded=_everywhere(plan.has_cxr, finding)),
        Modality.RR: reports.summed(plan.report_stay, plan.count),
        Modality.DN: _with_disposition(plan, note),
        "statement": likelihood(Modality.CXR, plan.finding, recorded=plan.mention & plan.has_rr[:, None]),
    }


def log_visible(plan: Plan, task: Task, *, subset: ModalitySet) -> np.ndarray:
    """(N, S) log-probability, given the level, of the length of stay and presence that the set shows.

    Mortality looks only at long stays. Phenotyping sees the length with the EHR; otherwise it is summed out
    together with the presence of an image, which depends on it.
    """
    model = presence_model()
    is_long = plan.is_long
    by_length = np.stack([1 - model.long_stay, model.long_stay])[:, None, :]  # (2, 1, S)
    if Modality.CXR in subset:
        by_length = by_length * np.where(
            plan.has_cxr[None, :, None], model.cxr.T[:, None, :], 1 - model.cxr.T[:, None, :]
        )
    if task is Task.IN_HOSPITAL_MORTALITY:
        visible = by_length[1]
    elif Modality.EHR in subset:
        visible = np.where(is_long[:, None], by_length[1], by_length[0])
    else:
        visible = by_length.sum(axis=0)
    total = np.log(np.broadcast_to(visible, (plan.count, state_model().levels)))
    if Modality.RR in subset:
        total = total + np.log(np.where(plan.has_rr[:, None], model.rr, 1 - model.rr))
    if Modality.DN in subset:
        total = total + np.log(np.where(plan.has_dn[:, None], model.dn, 1 - model.dn))
    return total


def _is_replaced(plan: Plan, task: Task) -> np.ndarray:
    """(N,) bool: the image in sight is the later one."""
    return plan.has_late_cxr & (task is Task.PHENOTYPING)


def _everywhere(mask: np.ndarray, like: np.ndarray) -> np.ndarray:
    return np.broadcast_to(mask[:, None], like.shape)


def _with_disposition(plan: Plan, note: Evidence) -> Evidence:
    """The discharge note's disposition tells the outcome outright."""
    told = np.stack([plan.state.death, ~plan.state.death], axis=1) & plan.has_dn[:, None]
    return Evidence(note.severity, note.condition, np.where(told, -60.0, note.death))
