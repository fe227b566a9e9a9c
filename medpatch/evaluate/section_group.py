"""Chapters on who and on what is missing: subgroups, modality combinations, drop curves."""

from collections.abc import Sequence

from medpatch.config.name import Modality
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.train import EvaluateConfig
from medpatch.evaluate.census import JUDGED, POSITIVES, STAYS, having
from medpatch.evaluate.figure import GREY, INK, Picture, canvas
from medpatch.evaluate.figure_forest import ForestRow, forest_picture
from medpatch.evaluate.judge import Verdict
from medpatch.evaluate.missing import DropCurve
from medpatch.evaluate.name import AVAILABILITY, over_seeds, style, unimodal
from medpatch.evaluate.page import Paragraph
from medpatch.evaluate.section import Item, Section
from medpatch.evaluate.subgroup import GroupResult
from medpatch.evaluate.summary import ModelResult
from medpatch.evaluate.suppress import Disclosure
from medpatch.evaluate.table import ABSENT, Table, interval
from medpatch.evaluate.table_result import share_shown, subset_table


def subgroup_section(
    groups: Sequence[GroupResult], verdict: Verdict, *, config: PipelineConfig, shown: Disclosure
) -> Section:
    """Sex, age, race group and first care unit."""
    if not groups:
        return Section("Subgroups", ())
    note = _note(config.evaluate, "Groups")
    table = group_results_table(
        groups,
        name="subgroups",
        title="Subgroups",
        first=("Variable", "Group"),
        config=config.evaluate,
        shown=shown,
        caption=f"{style(verdict.main.model).label} on the stays of each group. {note} Calibration is judged within "
        "the group: intercept above 0, the model says too little for it. Few positives make intervals that say little.",
    )
    picture = _forest(groups, verdict, name="subgroups", title="Subgroups", what="each group", shown=shown)
    return Section("Subgroups", tuple(item for item in (table, picture) if item is not None))


def missing_section(
    combined: Sequence[GroupResult],
    curves: Sequence[DropCurve],
    *,
    verdict: Verdict,
    config: PipelineConfig,
    shown: Disclosure,
) -> Section:
    """Exact combinations, drop curves, each modality's own stays, availability alone."""
    level, items = config.evaluate.interval_level, []
    if combined:
        items.append(
            group_results_table(
                combined,
                name="combinations",
                title="By exact combination of modalities",
                first=("Stays with exactly",),
                config=config.evaluate,
                shown=shown,
                caption="Every test stay is in one row. A model that lacks its input says the train prevalence. "
                + _note(config.evaluate, "Combinations"),
            )
        )
        items.append(_forest(combined, verdict, name="combinations", title="By exact combination of modalities",
                             what="each combination", shown=shown))  # fmt: skip
    if curves:
        items.append(drop_picture(curves, level=level, runs=verdict.runs))
        items.append(drop_table(curves, level=level, labels=len(config.labels), shown=shown))
    if verdict.own_stays:
        items.append(subset_table(verdict.own_stays, level=level, shown=shown))
    items.append(_availability(verdict))
    return Section("Missing modalities", tuple(item for item in items if item is not None))


def group_results_table(
    groups: Sequence[GroupResult],
    *,
    name: str,
    title: str,
    first: tuple[str, ...],
    config: EvaluateConfig,
    shown: Disclosure,
    caption: str,
) -> Table:
    """One row per group and model; a group that is not judged has dashes."""
    ci = f"[{config.interval_level:.0%} CI]"
    several = any(len(g.results) > 1 for g in groups)
    numbers = tuple(f"{name} {ci}" for name in ("AUROC", "AUPRC", "ECE", "Slope", "Intercept"))
    columns = (*first, *(("Model",) if several else ()), "Stays", "Positives", *numbers)
    rows = []
    for g in groups:
        head, stays = (g.variable, g.group)[-len(first) :], shown.words(_key(STAYS, g))
        if not g.results:
            rows.append((*head, *((ABSENT,) if several else ()), stays, ABSENT, *((ABSENT,) * len(numbers))))
        for r in g.results:
            model = (style(r.model).label,) if several else ()
            rows.append((*head, *model, stays, _positives(g, shown), *_measured(r, g, shown=shown)))
    return Table(name, title, columns, tuple(rows), caption)


def _measured(result: ModelResult, group: GroupResult, *, shown: Disclosure) -> tuple[str, ...]:
    """The numbers of one model; dashes where it has no input and the positives are hidden.

    Average precision, ECE and intercept of a constant score are functions of the share of positives.
    """
    score = result.macro
    if not result.available and shown.of(_key(POSITIVES, group)) is None:
        return (ABSENT,) * 5
    slope, intercept = interval(score.slope, digits=2), interval(score.intercept, digits=2, plus=True)
    return interval(score.auroc), interval(score.auprc), interval(score.ece), slope, intercept


def _positives(group: GroupResult, shown: Disclosure) -> str:
    """Positive stay-label pairs and, where neither count is hidden, their share."""
    key, words = _key(POSITIVES, group), shown.words(_key(POSITIVES, group))
    labels = group.results[0].macro.labels_total
    share = share_shown(key, _key(STAYS, group), shown=shown, times=labels)
    return words if share == ABSENT else f"{words} ({share})"


def _key(measure: str, group: GroupResult) -> tuple[str, str, str]:
    return measure, JUDGED, f"{group.variable}: {group.group}"


def _note(config: EvaluateConfig, what: str) -> str:
    return (
        f"{what} with fewer than {config.min_group_stays} stays or patients are not judged. Counts from 1 to "
        f"{config.min_count - 1}, and counts from which one of them could be worked out, are hidden."
    )


def drop_table(curves: Sequence[DropCurve], *, level: float, labels: int, shown: Disclosure) -> Table:
    """AUROC at every share, one row per modality, of a task of so many labels."""
    columns = ("Modality taken away", "Stays that have it", *(f"{s:.0%} of them" for s in curves[0].share))
    rows = tuple((_words(c.modality), shown.words(having(c.modality)), *(interval(e) for e in c.auroc)) for c in curves)
    caption = f"{'Macro ' if labels > 1 else ''}AUROC [{level:.0%} CI] over all test stays."
    return Table("drop", "A modality taken away", columns, rows, caption)


def drop_picture(curves: Sequence[DropCurve], *, level: float, runs: int) -> Picture:
    """Macro AUROC of MedPatch against the share of stays that lose each modality."""
    figure, (axis,) = canvas(7.2, 4.2)
    for curve in curves:
        look = style(unimodal(curve.modality))
        share = [100 * s for s in curve.share]
        axis.fill_between(share, [e.low for e in curve.auroc], [e.high for e in curve.auroc], color=look.colour,
                          alpha=0.12, linewidth=0)  # fmt: skip
        axis.plot(share, [e.value for e in curve.auroc], color=look.colour, marker=look.marker, linestyle=look.line,
                  label=f"without {curve.modality.upper()}")  # fmt: skip
    axis.axhline(0.5, color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
    low = min(e.low for c in curves for e in c.auroc)
    axis.set_ylim(max(0.0, min(low, 0.5) - 0.03))
    axis.set_xlabel("Share of the stays with the modality that lose it, %", color=INK)
    axis.set_ylabel("AUROC of MedPatch", color=INK)
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, fontsize=8.5, frameon=False, borderaxespad=0.2)
    caption = (
        f"The late head of MedPatch on every test stay, no retraining{over_seeds(runs)}; band: {level:.0%} interval, "
        "resampled as in the tables. The stays that lose the modality are drawn once, so that each share "
        "holds the one before. Dashed: no skill."
    )
    return Picture("drop", "A modality taken away", caption, figure)


def _forest(
    groups: Sequence[GroupResult], verdict: Verdict, *, name: str, title: str, what: str, shown: Disclosure
) -> Picture | None:
    several = len({g.variable for g in groups}) > 1
    rows = [
        ForestRow(
            g.variable if several else "",
            g.group,
            shown.words(_key(STAYS, g)),
            {r.model: r.macro.auroc for r in g.results},
        )
        for g in groups
        if g.results
    ]
    return forest_picture(
        rows,
        name=name,
        title=title,
        caption=f"AUROC in {what} with its interval over patients; dashed: {style(verdict.main.model).label} on all "
        "stays.",
        overall=verdict.main.macro.auroc,
    )


def _availability(verdict: Verdict) -> Item | None:
    found = verdict.of(AVAILABILITY)
    if found is None:
        return Paragraph(
            "Availability alone: not among the models of this run; add availability to evaluate.rivals to see what the "
            "mere presence of a modality predicts."
        )
    return Paragraph(
        f"Availability alone, which sees only which modalities a stay has: AUROC {interval(found.macro.auroc)}. What a "
        "model reaches beyond that comes from content."
    )


def _words(modality: str) -> str:
    return style(unimodal(modality)).label.removesuffix(" only") if modality in list(Modality) else modality
