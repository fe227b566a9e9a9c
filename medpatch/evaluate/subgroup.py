"""The reported model in every group of stays; small groups are counted and not judged."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpatch.config.train import EvaluateConfig
from medpatch.evaluate.prediction import SplitPrediction
from medpatch.evaluate.summary import ModelResult, judge_models


@dataclass(frozen=True)
class GroupResult:
    """One group of stays.

    Attributes:
        variable: what groups them, in words.
        group: which.
        stays: N of the group.
        results: one per model; empty where the group is too small to judge.
    """

    variable: str
    group: str
    stays: int
    results: tuple[ModelResult, ...]


def judge_groups(
    runs: Sequence[SplitPrediction],
    models: tuple[str, ...],
    *,
    config: EvaluateConfig,
    variable: str,
    group: NDArray[np.str_],
    order: Sequence[str] | None = None,
) -> tuple[GroupResult, ...]:
    """One result per group, largest first; those below `config.min_group_stays` stays or patients are not judged.

    Args:
        runs: predictions of one split for the same stays.
        models: which.
        config: resamples, level, smallest group.
        variable: what groups the stays, in words.
        group: (N,) of each stay.
        order: of the groups instead of by size.
    """
    names, count = np.unique(group, return_counts=True)
    by_size = names[np.argsort(-count, kind="stable")].tolist()
    found = []
    for name in [n for n in order if n in by_size] if order else by_size:
        rows = group == name
        patients = len(np.unique(runs[0].subject_id[rows]))
        if min(int(rows.sum()), patients) < config.min_group_stays:
            found.append(GroupResult(variable, name, int(rows.sum()), ()))
            continue
        judged = judge_models(runs, models, config=config, subset=f"{variable}: {name}", rows=rows)
        found.append(GroupResult(variable, name, int(rows.sum()), tuple(j.result for j in judged.values())))
    return tuple(found)
