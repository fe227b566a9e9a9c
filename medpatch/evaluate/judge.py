"""All comparisons on the test split; what has to be chosen is chosen on validation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from medpatch.config.name import Modality
from medpatch.config.pipeline import PipelineConfig
from medpatch.evaluate.compare import Comparison, compare
from medpatch.evaluate.few import few_events_in_words, has_few_events
from medpatch.evaluate.metric import auroc, macro, single_class_labels
from medpatch.evaluate.name import (
    AVAILABILITY,
    MEDPATCH,
    TASK_WORDS,
    UNIMODAL_PREFIX,
    compared,
    is_unimodal,
    modality_set,
    style,
    unimodal,
)
from medpatch.evaluate.oracle import covers, gap_closed, oracle_auroc, strongest_single
from medpatch.evaluate.prediction import SplitPrediction
from medpatch.evaluate.summary import Judged, ModelResult, judge_models, with_difference

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Verdict:
    """Every number of one evaluation.

    Attributes:
        results: one per model, on every test stay, in the order of the tables.
        comparisons: MedPatch beside every other model.
        own_stays: per modality its own model and MedPatch, on the stays that have it.
        best_single: unimodal model with the best macro AUROC on validation; None without unimodal models.
        head: reported head and how it was chosen, in words.
        warnings: named conditions that a reader must know.
        source: split and counts, in a few words.
        runs: training seeds that the numbers are means over.
        has_few_events: no model is called better than another.
    """

    results: tuple[ModelResult, ...]
    comparisons: tuple[Comparison, ...]
    own_stays: tuple[ModelResult, ...]
    best_single: str | None
    head: str
    warnings: tuple[str, ...]
    source: str
    runs: int
    has_few_events: bool = False

    def of(self, model: str | None) -> ModelResult | None:
        """The result of one model on every stay, if it was judged."""
        return next((result for result in self.results if result.model == model), None)

    @property
    def main(self) -> ModelResult:
        """MedPatch, or the first model where it was not predicted."""
        return self.of(MEDPATCH) or self.results[0]


def judge(
    val: Sequence[SplitPrediction],
    test: Sequence[SplitPrediction],
    *,
    config: PipelineConfig,
    oracle_dir: Path | None,
    head: str,
    progress: Progress | None = None,
) -> Verdict:
    """Judge every model on test; the best single modality is chosen on val.

    Args:
        val: chooses; one per training seed.
        test: judges; of the same runs, whose mean every number is.
        config: task, modalities, bootstrap.
        oracle_dir: best possible probabilities, or None.
        head: reported head, in words.
        progress: called with (steps done, steps).
    """
    first, models = test[0], compared(test[0].models)
    singles = tuple(m for m in models if is_unimodal(m))
    total = len(models) + len(singles)

    def step(before: int) -> Progress | None:
        return None if progress is None else lambda done, _: progress(before + done, total)

    names = single_class_labels(first.label, first.label_names, split="test")
    warnings = few_events_in_words(first.label)
    warnings += [f"{name}: one class in the test split; AUROC and AUPRC undefined, left out of means" for name in names]
    judged = judge_models(test, models, config=config.evaluate, progress=step(0))
    best_single, notes = choose_single(val, singles)
    level = config.evaluate.interval_level
    results = tuple(
        one.result if best_single is None else with_difference(one, judged[best_single], level=level)
        for one in judged.values()
    )
    warnings += [*notes, *_thin(judged, config.evaluate.bootstrap_resamples)]
    if oracle_dir is not None and not covers(config):
        warnings.append(
            "oracle: it is known for the published extraction with every report and the usual window, which this run "
            "does not have; left out"
        )
    elif oracle_dir is not None:
        results, left_out = _with_oracle(results, oracle_dir, test=first, config=config)
        warnings += left_out
    own = []
    for number, single in enumerate(singles):
        own += _own_stays(test, single, config=config, models=models)
        if progress is not None:
            progress(len(models) + number + 1, total)
    stays, subjects = f"{len(first.stay_id):,}", f"{results[0].subjects:,}"
    return Verdict(
        results=results,
        comparisons=compare(judged, test, level=level),
        own_stays=tuple(own),
        best_single=best_single,
        head=head,
        warnings=tuple(warnings),
        source=source_line(stays, subjects, config=config, runs=len(test)),
        runs=len(test),
        has_few_events=has_few_events(first.label),
    )


def source_line(stays: str, patients: str, *, config: PipelineConfig, runs: int) -> str:
    """Split and counts, as they may be shown, in a few words."""
    found = f"Test split: {stays} stays of {patients} patients. Task: {TASK_WORDS[config.cohort.task]}."
    return found + (f" Mean of {runs} training seeds." if runs > 1 else "")


def choose_single(val: Sequence[SplitPrediction], singles: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """The unimodal model with the best macro AUROC on validation, and what is to be said about the choice."""
    if not singles:
        return None, ()
    value = {
        m: float(np.mean([macro(auroc(run.models[m].logit, run.label)).value for run in val]))
        for m in singles
        if m in val[0].models
    }
    known = {m: v for m, v in value.items() if np.isfinite(v)}
    if not known:
        note = f"best single modality: no label has two classes in the val split; {style(singles[0]).label} stands in"
        return singles[0], (note,)
    return max(known, key=known.get), ()


def _thin(judged: dict[str, Judged], resamples: int) -> list[str]:
    score = next(iter(judged.values())).result.macro
    if score.auroc.resamples >= 0.95 * resamples:
        return []
    return [
        f"intervals: only {score.auroc.resamples} of {resamples} resamples hold both classes; the test split is too "
        "small for its intervals to be trusted"
    ]


def _with_oracle(
    results: tuple[ModelResult, ...],
    oracle_dir: Path,
    *,
    test: SplitPrediction,
    config: PipelineConfig,
) -> tuple[tuple[ModelResult, ...], tuple[str, ...]]:
    modalities = config.modality.modalities
    everything = modality_set(MEDPATCH, modalities)
    sets = {r.model: modality_set(r.model, modalities) for r in results}
    wanted = tuple(dict.fromkeys([*sets.values(), everything]))
    best, left_out = oracle_auroc(oracle_dir, test, task=config.cohort.task, sets=wanted)
    single = strongest_single(results)
    extended = []
    for result in results:
        closed = None
        # a single modality cannot close a gap that starts at the best of them
        reads_content = result.model != AVAILABILITY
        if everything in best and single is not None and reads_content and not is_unimodal(result.model):
            start = single.macro.auroc.value
            closed = gap_closed(result.macro.auroc.value, best_single=start, oracle_all=best[everything])
        oracle = best.get(sets[result.model]) if reads_content else None
        extended.append(replace(result, oracle_auroc=oracle, gap_closed=closed))
    return tuple(extended), left_out


def _own_stays(
    test: Sequence[SplitPrediction], single: str, *, config: PipelineConfig, models: tuple[str, ...]
) -> list[ModelResult]:
    rows = test[0].models[single].is_available
    if not rows.any():
        return []
    modality = Modality(single.removeprefix(UNIMODAL_PREFIX))
    pair = tuple(m for m in (unimodal(modality), MEDPATCH) if m in models)
    judged = judge_models(test, pair, config=config.evaluate, subset=str(modality), rows=rows)
    return [one.result for one in judged.values()]
