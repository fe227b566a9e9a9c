"""The tables of the results: all models, calibration, comparison with MedPatch, groups, labels."""

import math
from collections.abc import Sequence

from medpatch.evaluate.census import ALL, JUDGED, PATIENTS, POSITIVES, STAYS, available, positives_of
from medpatch.evaluate.compare import Comparison
from medpatch.evaluate.name import HEAD_MODELS, MEDPATCH, auroc_of, style
from medpatch.evaluate.oracle import strongest_single
from medpatch.evaluate.summary import ModelResult, Score
from medpatch.evaluate.suppress import Disclosure, Key
from medpatch.evaluate.table import ABSENT, Table, interval, number, p_value, percent, point


def main_table(results: Sequence[ModelResult], *, level: float, labels_total: int, shown: Disclosure) -> Table:
    """One row per model on every stay of the split; oracle columns only where there is an oracle."""
    has_oracle, has_runs = any(r.oracle_auroc is not None for r in results), len(results[0].by_run) > 1
    ci = f"[{level:.0%} CI]"
    columns = ["Model", f"AUROC {ci}", f"AUPRC {ci}", f"Brier {ci}", "With input"]
    columns += ["AUROC of each seed"] if has_runs else []
    columns += ["Oracle AUROC", "Gap closed"] if has_oracle else []
    rows = []
    for result in results:
        score = result.macro
        row = [
            style(result.model).label,
            interval(score.auroc),
            interval(score.auprc),
            interval(score.brier),
            share_shown(available(result.model), (STAYS, JUDGED, result.subset), shown=shown),
        ]
        if has_runs:
            row.append(" / ".join(number(value, score.auroc.digits) for value in result.by_run))
        if has_oracle:
            row += [number(result.oracle_auroc, score.auroc.digits), percent(result.gap_closed)]
        rows.append(tuple(row))
    caption = _main_caption(results, level=level, labels_total=labels_total, shown=shown)
    strong = tuple(i for i, r in enumerate(results) if r.model == MEDPATCH)
    return Table("result", "All models", tuple(columns), tuple(rows), caption, strong)


def calibration_table(results: Sequence[ModelResult], *, level: float) -> Table:
    """Calibration of every model, each number with its interval."""
    ci = f"[{level:.0%} CI]"
    columns = ("Model", f"ECE {ci}", f"Slope {ci}", f"Intercept {ci}", f"Brier {ci}")
    rows = tuple(
        (
            style(r.model).label,
            interval(r.macro.ece),
            interval(r.macro.slope, digits=2),
            interval(r.macro.intercept, digits=2, plus=True),
            interval(r.macro.brier),
        )
        for r in results
    )
    caption = (
        "Slope below 1: the model is too sure; intercept above 0: it says too little (calibration in the large). ECE: "
        "gap between confidence and accuracy of the 0.5 decision, equal bins; its interval is centred on the value, "
        "because resampling adds to the ECE itself."
    )
    return Table("calibration", "Calibration of every model", columns, rows, caption)


def comparison_table(comparisons: Sequence[Comparison], *, level: float) -> Table:
    """MedPatch minus every other model, with p-values."""
    ci, has_delong = f"[{level:.0%} CI]", any(c.delong is not None for c in comparisons)
    columns = ["MedPatch minus", f"AUROC {ci}", f"AUPRC {ci}", f"Brier {ci}", "p", "p, Holm"]
    columns += ["DeLong p", "DeLong p, Holm"] if has_delong else []
    rows = []
    for c in comparisons:
        differences = (interval(e, plus=True) for e in (c.auroc, c.auprc, c.brier))
        row = [style(c.model).label, *differences, p_value(c.p), p_value(c.p_holm)]
        rows.append(tuple(row + ([p_value(c.delong), p_value(c.delong_holm)] if has_delong else [])))
    caption = (
        "Differences on the same resampled patients; above 0 in AUROC and AUPRC, below 0 in Brier, MedPatch is better. "
        f"p: two-sided, of equal AUROC, from those resamples; Holm: corrected for {len(comparisons)} comparisons."
    )
    if has_delong:
        caption += " DeLong's test takes stays as independent, which several stays of one patient are not."
    return Table("comparison", "Paired comparison with MedPatch", tuple(columns), tuple(rows), caption)


def difference_table(results: Sequence[ModelResult], *, level: float, best_single: str) -> Table:
    """Every model minus the best single modality: did fusion help?"""
    shown = [r for r in results if r.difference is not None and r.model != best_single]
    rows = tuple((style(r.model).label, interval(r.difference, plus=True)) for r in shown)
    rival = style(best_single).label
    mean = auroc_of(results[0].macro.labels_total)
    columns = ("Model", f"AUROC minus {rival} [{level:.0%} CI]")
    caption = (
        f"{rival} is the single modality with the best {mean} on validation. The same resampled patients for "
        "both; an interval that holds 0 does not show a difference."
    )
    return Table("fusion_gain", "Difference from the best single modality", columns, rows, caption)


def subset_table(results: Sequence[ModelResult], *, level: float, shown: Disclosure) -> Table:
    """Single-modality models and MedPatch on the stays that have the modality."""
    ci = f"[{level:.0%} CI]"
    columns = ("Stays with", "Model", f"AUROC {ci}", f"AUPRC {ci}", "Brier", "ECE", "Stays", "Positives")
    rows = tuple(
        (
            r.subset.upper(),
            style(r.model).label,
            interval(r.macro.auroc),
            interval(r.macro.auprc),
            point(r.macro.brier),
            point(r.macro.ece),
            shown.words((STAYS, JUDGED, r.subset)),
            shown.words((POSITIVES, JUDGED, r.subset)),
        )
        for r in results
    )
    caption = "Each modality's own model beside MedPatch, on the stays that have this modality."
    return Table("own_stays", "On each modality's own stays", columns, rows, caption)


def group_table(results: Sequence[ModelResult], *, level: float) -> Table:
    """Macro AUROC over acute, mixed and chronic conditions."""
    groups = [score.name for score in results[0].groups]
    columns = ("Model", *(f"{g.capitalize()} AUROC [{level:.0%} CI]" for g in groups))
    rows = tuple((style(r.model).label, *(interval(s.auroc) for s in r.groups)) for r in results)
    sizes = ", ".join(f"{s.name}: {s.labels} of {s.labels_total} labels" for s in results[0].groups)
    return Table("groups", "By kind of condition", columns, rows, f"Macro means; {sizes}.")


def label_table(main: ModelResult, *, level: float, shown: Disclosure) -> Table:
    """Every label of the reported model."""
    ci = f"[{level:.0%} CI]"
    columns = ("Label", "Kind", f"AUROC {ci}", f"AUPRC {ci}", "Positives", "Share", "Brier", "ECE", "Slope")
    rows = tuple(
        (
            score.name,
            score.group or ABSENT,
            interval(score.auroc),
            interval(score.auprc),
            shown.words(positives_of(score.name)),
            share_shown(positives_of(score.name), (STAYS, JUDGED, main.subset), shown=shown),
            point(score.brier),
            point(score.ece),
            point(score.slope, 2),
        )
        for score in main.labels
    )
    return Table("labels", "Each label", columns, rows, f"{style(main.model).label}, every stay.")


def label_model_table(results: Sequence[ModelResult]) -> Table:
    """AUROC of every model for every label; the best of a row is starred."""
    shown = [r for r in results if r.model not in HEAD_MODELS]
    rows = []
    for place, score in enumerate(shown[0].labels):
        value = [r.labels[place].auroc.value for r in shown]
        best = max((v for v in value if math.isfinite(v)), default=None)
        rows.append((score.name, *(number(v) + ("*" if v == best else "") for v in value)))
    columns = ("Label", *(style(r.model).short for r in shown))
    caption = "AUROC on every stay. Star: the highest of the row, whether or not the difference could be chance."
    return Table("label_models", "Each label and model", columns, tuple(rows), caption)


def share_shown(part: Key, whole: Key, *, shown: Disclosure, times: int = 1) -> str:
    """Whole percent of `times` the whole; a dash where one of the counts is hidden: the share would tell it."""
    if (top := shown.of(part)) is None or not (bottom := shown.of(whole)):
        return ABSENT
    return percent(top / (times * bottom))


def _main_caption(results: Sequence[ModelResult], *, level: float, labels_total: int, shown: Disclosure) -> str:
    score: Score = results[0].macro
    stays, patients, positives = (shown.words((m, JUDGED, ALL)) for m in (STAYS, PATIENTS, POSITIVES))
    parts = [f"{stays} stays of {patients} patients; {positives} positives."]
    if labels_total > 1:
        parts = [
            f"{stays} stays of {patients} patients; macro means over {score.labels} of {labels_total} labels; "
            f"{positives} positive stay-label pairs."
        ]
    parts.append(
        f"Every model is judged on every test stay; one that lacks its input says the train prevalence. {level:.0%} "
        "percentile intervals over resampled patients; that of AUPRC is centred on the value, because resampling adds "
        "to the AUPRC itself."
    )
    if any(r.model in HEAD_MODELS for r in results):
        parts.append(
            "MedPatch splits the tokens of every modality by how sure each alone makes it: the high-confidence head "
            "reads only the sure ones, the low-confidence head only the others, and both are parts of its weighted sum."
        )
    if len(results[0].by_run) > 1:
        parts.append(f"Mean of {len(results[0].by_run)} training seeds; seeds are resampled with the patients.")
    if any(r.oracle_auroc is not None for r in results):
        strongest = strongest_single(results)
        rival = "the best single modality" if strongest is None else style(strongest.model).label
        parts.append(
            "Oracle AUROC: that of the true probabilities given the same inputs, the best expected AUROC; a small test "
            f"set can exceed it by chance. Gap closed: (AUROC − AUROC of {rival}) / (oracle AUROC of all inputs − "
            f"AUROC of {rival}); {rival} is the single modality with the best AUROC on these stays."
        )
    return " ".join(parts)
