"""Chapters of the results: what was found, discrimination, comparison, calibration, labels."""

from collections.abc import Sequence

import numpy as np

from medpatch.config.pipeline import PipelineConfig
from medpatch.evaluate.census import positives_of
from medpatch.evaluate.estimate import Estimate
from medpatch.evaluate.figure_curve import pr_picture, roc_picture
from medpatch.evaluate.figure_leaderboard import label_picture, leaderboard_picture
from medpatch.evaluate.figure_reliability import reliability_picture
from medpatch.evaluate.judge import Verdict
from medpatch.evaluate.name import HEAD_MODELS, MEDPATCH, style
from medpatch.evaluate.oracle import strongest_single
from medpatch.evaluate.page import Bullets, Paragraph
from medpatch.evaluate.prediction import SplitPrediction
from medpatch.evaluate.section import Section
from medpatch.evaluate.statement import recalibration_in_words, rules_in_words
from medpatch.evaluate.suppress import Disclosure
from medpatch.evaluate.table import interval, number, p_value, percent
from medpatch.evaluate.table_result import (
    calibration_table,
    comparison_table,
    difference_table,
    group_table,
    label_model_table,
    label_table,
    main_table,
)

CURVES = 6
"""Lines that a curve picture can carry: MedPatch, then the best by AUROC."""


def summary_section(verdict: Verdict, config: PipelineConfig, *, shown: Disclosure) -> Section:
    """What was found, in sentences, the result table, and what must be known before reading on."""
    level = config.evaluate.interval_level
    items = [Bullets(_findings(verdict)), Paragraph(f"{verdict.source} {_setting(verdict, config)}")]
    if verdict.warnings:
        items += [Paragraph("Read this first:"), Bullets(verdict.warnings)]
    table = main_table(verdict.results, level=level, labels_total=len(config.labels), shown=shown)
    return Section("Results", (*items, table, leaderboard_picture(verdict.results, level=level)))


def comparison_section(verdict: Verdict, config: PipelineConfig) -> Section:
    """Paired differences."""
    level, items = config.evaluate.interval_level, []
    if verdict.comparisons:
        items.append(comparison_table(verdict.comparisons, level=level))
    if verdict.best_single is not None:
        items.append(difference_table(verdict.results, level=level, best_single=verdict.best_single))
    return Section("Did fusion help?", tuple(items))


def curve_section(
    verdict: Verdict, test: Sequence[SplitPrediction], *, config: PipelineConfig, shown: Disclosure
) -> Section:
    """ROC and precision-recall curves of MedPatch and the best others, mean over the seeds."""
    names = test[0].label_names
    if len(names) == 1 and not may_draw(names[0], test[0], shown=shown):
        text = f"Curves are not drawn: their steps would tell a count below {shown.smallest}."
        return Section("Discrimination", (Paragraph(text),))
    lines = curve_models(verdict)
    found = [draw(test, lines, config=config.evaluate, main=verdict.main.model) for draw in (roc_picture, pr_picture)]
    return Section("Discrimination", tuple(p for p in found if p is not None))


def may_draw(label: str, prediction: SplitPrediction, *, shown: Disclosure) -> bool:
    """False where a step of the label's curve would tell how many positives or negatives there are, and they are few.

    The steps of a curve are as high as one positive and as wide as one negative.
    """
    positives = shown.of(positives_of(label))
    return positives is not None and not 0 < len(prediction.label) - positives < shown.smallest


def calibration_section(
    verdict: Verdict, test: Sequence[SplitPrediction], *, config: PipelineConfig, shown: Disclosure
) -> Section:
    """Numbers and curves; no curve of a single label with few positives, whose points would add up to them."""
    table, names = calibration_table(verdict.results, level=config.evaluate.interval_level), test[0].label_names
    helped = Paragraph(recalibration_in_words(config))
    if len(names) == 1 and not may_draw(names[0], test[0], shown=shown):
        return Section("Calibration", (table, helped))
    return Section(
        "Calibration", (table, helped, reliability_picture(test, curve_models(verdict), config=config.evaluate))
    )


def label_section(verdict: Verdict, config: PipelineConfig, *, shown: Disclosure) -> Section:
    """Groups and labels; empty for a task of one label."""
    level = config.evaluate.interval_level
    if not verdict.main.groups:
        return Section("Labels", ())
    items = (
        group_table(verdict.results, level=level),
        label_table(verdict.main, level=level, shown=shown),
        label_picture(verdict.main, verdict.of(verdict.best_single)),
        label_model_table(verdict.results),
    )
    return Section("Labels", items)


def curve_models(verdict: Verdict) -> list:
    """MedPatch and the models with the best AUROC, in the order of the tables."""
    others = [r for r in verdict.results if r.model not in (*HEAD_MODELS, verdict.main.model)]
    best = sorted(others, key=lambda r: -np.nan_to_num(r.macro.auroc.value, nan=-1))
    kept = {verdict.main.model, *(r.model for r in best[: CURVES - 1])}
    return [r for r in verdict.results if r.model in kept]


def _setting(verdict: Verdict, config: PipelineConfig) -> str:
    window = f"first {config.cohort.window_hours} h" if config.cohort.window_hours else "whole ICU stay"
    return (
        f"Window: {window}. Modalities: {', '.join(m.upper() for m in config.modality.modalities)}. Extraction: "
        f"{rules_in_words(config.cohort)}. MedPatch's reported output: {verdict.head}. "
        f"{config.evaluate.bootstrap_resamples:,} resamples of patients, seed {config.evaluate.seed}."
    )


def _findings(verdict: Verdict) -> tuple[str, ...]:
    main, single = verdict.main, verdict.of(verdict.best_single)
    found = [f"{style(main.model).label}: AUROC {interval(main.macro.auroc)}, AUPRC {interval(main.macro.auprc)}."]
    if main.model == MEDPATCH and verdict.comparisons:
        found += _against_rivals(verdict)
    if single is None or main.difference is None:
        return tuple(found)
    rival = f"{style(single.model).label} ({interval(single.macro.auroc)}, best single modality on validation)"
    found.append(f"{style(main.model).label} minus {rival}: {_told(main.difference, verdict)}.")
    strongest = strongest_single(verdict.results)
    beside = {c.model: c.auroc for c in verdict.comparisons}
    if strongest is not None and strongest.model != single.model and strongest.model in beside:
        rival = f"{style(strongest.model).label} ({interval(strongest.macro.auroc)}), which does better on these stays"
        found.append(f"{style(main.model).label} minus {rival}: {_told(beside[strongest.model], verdict)}.")
    if main.gap_closed is not None and main.oracle_auroc is not None:
        best = number(main.oracle_auroc, main.macro.auroc.digits)
        found.append(
            f"The best possible AUROC with all inputs is {best}; MedPatch closes "
            f"{percent(main.gap_closed)} of the way there from the single modality that does best on these stays."
        )
    return tuple(found)


def _told(gap: Estimate, verdict: Verdict) -> str:
    """A difference from a single modality, and what its interval means."""
    meaning = "no difference is shown"
    if verdict.has_few_events:
        meaning = "too few events to tell"
    elif gap.low > 0:
        meaning = "fusion is better than the single modality"
    elif gap.high < 0:
        meaning = "fusion is worse than the single modality"
    return f"{interval(gap, plus=True)}; {meaning}"


def _against_rivals(verdict: Verdict) -> list[str]:
    """How many rivals are beaten or not once the p-values are corrected, and who comes nearest or leads."""
    known = [c for c in verdict.comparisons if np.isfinite(c.auroc.value)]
    if not known:
        return []
    alpha = 0.05
    better = sum(c.p_holm < alpha and c.auroc.value > 0 for c in known)
    worse = sum(c.p_holm < alpha and c.auroc.value < 0 for c in known)
    nearest = min(known, key=lambda c: c.auroc.value)
    strongest = (
        f"Strongest rival on test: {style(nearest.model).label}, MedPatch minus it "
        f"{interval(nearest.auroc, plus=True)}, corrected p {p_value(nearest.p_holm)}."
    )
    if verdict.has_few_events:
        return [strongest]
    return [
        f"Of {len(known)} other models MedPatch is better than {better} and worse than {worse} at a Holm-corrected "
        f"level of {alpha}; for {len(known) - better - worse} no difference is shown. {strongest}"
    ]
