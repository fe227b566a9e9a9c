"""Which chapters a report has, and the analyses behind them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from medpatch.config.pipeline import PipelineConfig
from medpatch.contract.confidence import ConfidenceReport
from medpatch.evaluate.census import COMBINATION
from medpatch.evaluate.decision import OperatingPoint, operating_points
from medpatch.evaluate.fact import RunFacts
from medpatch.evaluate.figure_history import History, history_picture
from medpatch.evaluate.judge import Verdict
from medpatch.evaluate.missing import DropCurve, drop_curves
from medpatch.evaluate.prediction import SplitPrediction
from medpatch.evaluate.section import Section
from medpatch.evaluate.section_cohort import CohortParts, cohort_section
from medpatch.evaluate.section_confidence import confidence_section
from medpatch.evaluate.section_decision import decision_section
from medpatch.evaluate.section_group import missing_section, subgroup_section
from medpatch.evaluate.section_leak import leak_section
from medpatch.evaluate.section_method import card_section, method_section, tripod_section
from medpatch.evaluate.section_result import (
    calibration_section,
    comparison_section,
    curve_section,
    label_section,
    summary_section,
)
from medpatch.evaluate.stay import StayFacts, combinations
from medpatch.evaluate.subgroup import GroupResult, judge_groups
from medpatch.evaluate.suppress import Disclosure
from medpatch.evaluate.table import Table

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Analyses:
    """What goes beyond the verdict on all stays.

    Attributes:
        subgroups: sex, age, race group, first care unit.
        combined: by exact combination of modalities.
        curves: a modality taken away.
        points: operating points.
    """

    subgroups: tuple[GroupResult, ...]
    combined: tuple[GroupResult, ...]
    curves: tuple[DropCurve, ...]
    points: tuple[OperatingPoint, ...]


def analyse(
    val: Sequence[SplitPrediction],
    test: Sequence[SplitPrediction],
    *,
    facts: StayFacts,
    verdict: Verdict,
    config: PipelineConfig,
    progress: Progress | None = None,
) -> Analyses:
    """Everything that is judged on parts of the test split or at thresholds.

    Args:
        val: chooses thresholds; one per training seed.
        test: of the same runs.
        facts: of the test stays, in their order.
        verdict: on all stays.
        config: of the run.
        progress: called with (steps done, steps).
    """
    main = (verdict.main.model,)
    pair = (*main, verdict.best_single) if verdict.best_single not in (None, *main) else main
    total, done = len(facts.subgroup) + 3, 0
    subgroups: list[GroupResult] = []

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    for variable, group in facts.subgroup.items():
        order = sorted(np.unique(group), key=_age_order) if variable == "Age" else None
        subgroups += judge_groups(test, main, config=config.evaluate, variable=variable, group=group, order=order)
        step()
    combined: tuple[GroupResult, ...] = ()
    if facts.presence:
        group = combinations(facts.presence)
        combined = judge_groups(test, pair, config=config.evaluate, variable=COMBINATION, group=group)
    step()
    curves = drop_curves(test, facts.presence, config=config.evaluate)
    step()
    points = operating_points(val, test, models=pair, config=config.evaluate)
    step()
    return Analyses(tuple(subgroups), combined, curves, points)


def chapters(
    verdict: Verdict,
    analyses: Analyses,
    *,
    test: Sequence[SplitPrediction],
    config: PipelineConfig,
    facts: RunFacts | None,
    confidence: Sequence[ConfidenceReport],
    histories: History,
    made_up: str | None,
    cohort: CohortParts,
    shown: Disclosure,
    arms: Table | None = None,
) -> tuple[Section, ...]:
    """Every chapter, in the order of the page."""
    training = history_picture(histories, labels=len(config.labels))
    found = (
        summary_section(verdict, config, shown=shown),
        comparison_section(verdict, config),
        curve_section(verdict, test, config=config, shown=shown),
        calibration_section(verdict, test, config=config, shown=shown),
        label_section(verdict, config, shown=shown),
        Section("Arms", (arms,) if arms else ()),
        missing_section(analyses.combined, analyses.curves, verdict=verdict, config=config, shown=shown),
        subgroup_section(analyses.subgroups, verdict, config=config, shown=shown),
        decision_section(analyses.points, verdict, test=test, config=config, shown=shown),
        confidence_section(confidence, shown=shown),
        leak_section(config),
        cohort_section(cohort, config, shown=shown),
        Section("Training", (training,) if training else ()),
        method_section(verdict, config, facts=facts),
        card_section(verdict, config, facts=facts, made_up=made_up, shown=shown),
        tripod_section(verdict, config, facts=facts, made_up=made_up, shown=shown),
    )
    return tuple(section for section in found if section.items)


def _age_order(band: str) -> tuple[bool, bool, str]:
    """Youngest first, unknown last."""
    return (not band[0].isdigit() and not band.startswith("under"), not band.startswith("under"), band)
