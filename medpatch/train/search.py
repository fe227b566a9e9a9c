"""Which learning rate serves a model best on validation: drawn, judged over seeds, the hopeless ones cut short.

The only importer of optuna. The study is a file of JSON lines, so a search that was killed goes on.
"""

import json
import logging
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from medpatch.config.error import ConfigError, DivergedError
from medpatch.config.search import SearchSettings
from medpatch.contract.artifact import replace_text
from medpatch.feature.seed import derive_seed
from medpatch.train.record import Progress

logger = logging.getLogger(__name__)

STUDY, RESULT = "study.jsonl", "result.json"
RATE, SEEDS = "learning_rate", "scores"
RANDOM_TRIALS = 5
"""Trials before the sampler learns from them and the pruner has something to compare with."""
LARGEST_SEED = 2**32 - 1

Judge = Callable[[int, float, int], float]
"""From the number of a trial, its learning rate and a seed to the macro AUROC on validation."""


@dataclass(frozen=True)
class Judged:
    """One learning rate.

    Attributes:
        trial: its number.
        learning_rate: what was tried.
        scores: macro AUROC on validation per seed, in order.
        is_complete: False if it was cut short or diverged.
    """

    trial: int
    learning_rate: float
    scores: tuple[float, ...]
    is_complete: bool

    @property
    def mean(self) -> float:
        """Over the seeds that were run, nan where the first one diverged."""
        return fmean(self.scores) if self.scores else math.nan

    @property
    def spread(self) -> float:
        """Standard deviation over seeds, nan with one."""
        return stdev(self.scores) if len(self.scores) > 1 else math.nan


@dataclass(frozen=True)
class SearchResult:
    """All trials, the best first; the first one was judged with every seed."""

    judged: tuple[Judged, ...]

    @property
    def best(self) -> Judged:
        """The complete trial with the largest mean."""
        return self.judged[0]


def search(folder: Path, settings: SearchSettings, *, judge: Judge, progress: Progress | None = None) -> SearchResult:
    """Judge as many learning rates as asked for, counting those that an earlier call judged.

    The first five are drawn log-uniformly, later ones by a tree-structured Parzen estimator; each draw has a
    seed of its own, so a search that was interrupted ends where an undisturbed one ends. After each seed a trial
    whose best mean so far lies below the median of the others after as many seeds is cut short, as is one whose
    training diverges.

    Args:
        folder: of the study and its result; one process at a time.
        settings: how many, how often, from where to where.
        judge: trains and returns the score; sees training and validation, never test.
        progress: called with (trials done, trials).

    Raises:
        ConfigError: no trial could be completed, or a score is not a number.

    Source: MedPatch draws ten learning rates from [1e-5, 1e-3].
    """
    study = _open(folder, settings)
    while len(_done(study)) < settings.trials:
        study.sampler = _sampler(settings, len(_done(study)))
        _run(study, study.ask(), settings=settings, judge=judge)
        if progress:
            progress(len(_done(study)), settings.trials)
    judged = [_judged(trial) for trial in _done(study)]
    if not any(one.is_complete for one in judged):
        raise ConfigError(f"{folder.name}: no trial was judged with every seed; search more trials")
    ordered = sorted(judged, key=lambda one: (not one.is_complete, not one.scores, -one.mean, one.trial))
    result = SearchResult(tuple(ordered))
    replace_text(folder / RESULT, json.dumps([asdict(one) for one in result.judged], indent=1))
    return result


def read_search(folder: Path) -> SearchResult:
    """What `search` left."""
    rows = json.loads((folder / RESULT).read_text())
    return SearchResult(tuple(Judged(**(row | {"scores": tuple(row["scores"])})) for row in rows))


def _run(study: optuna.Study, trial: optuna.Trial, *, settings: SearchSettings, judge: Judge) -> None:
    rate = trial.suggest_float(RATE, settings.low, settings.high, log=True)
    scores: list[float] = []
    for step, seed in enumerate(settings.seeds):
        try:
            score = judge(trial.number, rate, seed)
        except DivergedError as error:
            logger.warning("trial %d, learning rate %.3g: %s", trial.number, rate, error)
            study.tell(trial, state=TrialState.PRUNED)
            return
        if not math.isfinite(score):
            raise ConfigError(
                f"search: trial {trial.number} has the score {score}; no label has both classes among the val "
                "stays that choose epochs; use a larger cohort"
            )
        scores.append(score)
        trial.set_user_attr(SEEDS, scores)
        trial.report(fmean(scores), step)
        if step + 1 < len(settings.seeds) and trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return
    study.tell(trial, fmean(scores))


def _open(folder: Path, settings: SearchSettings) -> optuna.Study:
    """The study in the folder; a trial that was under way when its process died is put first in line again."""
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(folder / STUDY))),
        study_name=folder.name,
        sampler=_sampler(settings, 0),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=min(RANDOM_TRIALS, max(1, settings.trials // 3))),
        direction="maximize",
        load_if_exists=True,
    )
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)
        if trial.params:
            study.enqueue_trial(trial.params)
    return study


def _sampler(settings: SearchSettings, number: int) -> optuna.samplers.BaseSampler:
    seed = derive_seed(settings.seeds[0], "search", number) % LARGEST_SEED
    return optuna.samplers.TPESampler(seed=seed, n_startup_trials=RANDOM_TRIALS)


def _done(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def _judged(trial: FrozenTrial) -> Judged:
    attributes: dict[str, Any] = trial.user_attrs
    scores = tuple(attributes.get(SEEDS, ()))
    return Judged(trial.number, trial.params[RATE], scores, trial.state is TrialState.COMPLETE)
