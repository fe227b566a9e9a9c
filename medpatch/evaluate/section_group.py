"""Chapters on who and on what is missing: subgroups, modality combinations, drop curves."""

from collections.abc import Sequence

from medpatch.config.name import Modality
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.train import EvaluateConfig
from medpatch.evaluate.figure import GREY, INK, Picture, canvas
from medpatch.evaluate.figure_forest import ForestRow, forest_picture
from medpatch.evaluate.judge import Verdict
from medpatch.evaluate.missing import DropCurve
from medpatch.evaluate.name import AVAILABILITY, style, unimodal
from medpatch.evaluate.page import Paragraph
from medpatch.evaluate.section import Item, Section
from medpatch.evaluate.subgroup import GroupResult
from medpatch.evaluate.summary import ModelResult
from medpatch.evaluate.table import ABSENT, Table, count, hidden_below, interval, number, percent, signed
from medpatch.evaluate.table_result import subset_table


def subgroup_section(groups: Sequence[GroupResult], verdict: Verdict, *, config: PipelineConfig) -> Section:
    """Sex, age, race group and first care unit."""
    if not groups:
        return Section("Subgroups", ())
    small = config.evaluate.min_group_stays
    note = f"Groups with fewer than {small} stays or patients are named without numbers."
    table = group_results_table(
        groups,
        name="subgroups",
        title="Subgroups",
        first=("Variable", "Group"),
        config=config.evaluate,
        caption=f"{style(verdict.main.model).label} on the stays of each group. {note} Calibration is judged within "
        "the group: intercept above 0, the model says too little for it. Few positives make intervals that say little.",
    )
    picture = _forest(groups, verdict, name="subgroups", title="Subgroups", what="each group")
    return Section("Subgroups", tuple(item for item in (table, picture) if item is not None))


def missing_section(
    combined: Sequence[GroupResult], curves: Sequence[DropCurve], *, verdict: Verdict, config: PipelineConfig
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
                caption="Every test stay is in one row. A model that lacks its input says the train prevalence. "
                f"Combinations with fewer than {config.evaluate.min_group_stays} stays or patients are named without "
                "numbers.",
            )
        )
        items.append(_forest(combined, verdict, name="combinations", title="By exact combination of modalities",
                             what="each combination"))  # fmt: skip
    if curves:
        if verdict.runs > 1:
            items.append(Paragraph("A modality taken away: of the first training seed, curve and table alike."))
        items += [drop_picture(curves, level=level), drop_table(curves, level=level)]
    if verdict.own_stays:
        items.append(subset_table(verdict.own_stays, level=level))
    items.append(_availability(verdict))
    return Section("Missing modalities", tuple(item for item in items if item is not None))


def group_results_table(
    groups: Sequence[GroupResult],
    *,
    name: str,
    title: str,
    first: tuple[str, ...],
    config: EvaluateConfig,
    caption: str,
) -> Table:
    """One row per group and model; a hidden group has dashes."""
    ci = f"[{config.interval_level:.0%} CI]"
    several = any(len(g.results) > 1 for g in groups)
    columns = (*first, *(("Model",) if several else ()), "Stays", "Positives", f"AUROC {ci}", f"AUPRC {ci}", "ECE",
               "Slope", "Intercept")  # fmt: skip
    rows = []
    for g in groups:
        head = (g.variable, g.group)[-len(first) :]
        if not g.results:
            blank = (ABSENT,) * (len(columns) - len(first) - 1 - several)
            rows.append((*head, *((ABSENT,) if several else ()), f"< {config.min_group_stays}", *blank))
        for r in g.results:
            score = r.macro
            rows.append(
                (
                    *head,
                    *((style(r.model).label,) if several else ()),
                    count(r.stays),
                    _positives(r, config.min_count),
                    interval(score.auroc),
                    interval(score.auprc),
                    number(score.ece.value),
                    number(score.slope.value, 2),
                    signed(score.intercept.value, 2),
                )
            )
    return Table(name, title, columns, tuple(rows), caption)


def _positives(result: ModelResult, smallest: int) -> str:
    """Positive stay-label pairs and their share, neither where they are few."""
    pairs, score = result.stays * result.macro.labels_total, result.macro
    if 0 < score.positives < smallest:
        return hidden_below(score.positives, smallest)
    return f"{count(score.positives)} ({percent(score.positives / pairs)})"


def drop_table(curves: Sequence[DropCurve], *, level: float) -> Table:
    """AUROC at every share, one row per modality."""
    columns = ("Modality taken away", "Stays that have it", *(f"{s:.0%} of them" for s in curves[0].share))
    rows = tuple((_words(c.modality), count(c.stays), *(interval(e) for e in c.auroc)) for c in curves)
    return Table("drop", "A modality taken away", columns, rows, f"Macro AUROC [{level:.0%} CI] over all test stays.")


def drop_picture(curves: Sequence[DropCurve], *, level: float) -> Picture:
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
    axis.legend(fontsize=8.5, frameon=False, loc="lower left")
    caption = (
        f"The late head of MedPatch on every test stay, no retraining; band: {level:.0%} interval. The stays that lose "
        "the modality are drawn once, so that each share holds the one before. Dashed: no skill."
    )
    return Picture("drop", "A modality taken away", caption, figure)


def _forest(groups: Sequence[GroupResult], verdict: Verdict, *, name: str, title: str, what: str) -> Picture | None:
    several = len({g.variable for g in groups}) > 1
    rows = [
        ForestRow(g.variable if several else "", g.group, g.stays, {r.model: r.macro.auroc for r in g.results})
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
