"""What the report says, in order."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from medpatch.config.pipeline import PipelineConfig
from medpatch.contract.table import warehouse_file
from medpatch.evaluate.figure import Picture
from medpatch.evaluate.judge import Verdict
from medpatch.evaluate.name import style
from medpatch.evaluate.page import Block, Bullets, Heading, Image, Paragraph
from medpatch.evaluate.table import (
    Table,
    calibration_table,
    count,
    group_table,
    interval,
    label_table,
    main_table,
    percent,
    subset_table,
)

ORDER = (
    "result", "leaderboard", "own_stays", "roc", "pr", "calibration", "reliability", "groups", "labels", "training",
    "cohort", "rows",
)  # fmt: skip
"""Tables and pictures by name; a table comes before the picture of the same name."""


def tables_of(verdict: Verdict, config: PipelineConfig, *, warehouse_dir: Path | None) -> tuple[Table, ...]:
    """Every table of the report, the result table first."""
    level, single = config.evaluate.interval_level, verdict.of(verdict.best_single)
    tables = [
        main_table(verdict.results, level=level, best_single=verdict.best_single, labels_total=len(config.labels)),
        calibration_table(verdict.results, level=level, best_single=verdict.best_single),
    ]
    if verdict.own_stays:
        tables.append(subset_table(verdict.own_stays, level=level))
    if verdict.main.groups:
        tables.append(group_table(verdict.results, level=level))
        tables.append(label_table(verdict.main, single, level=level))
    if warehouse_dir is not None:
        tables += _count_tables(warehouse_dir)
    return tuple(tables)


def compose(
    verdict: Verdict,
    config: PipelineConfig,
    *,
    tables: Sequence[Table],
    pictures: Sequence[Picture],
    figure_dir: str,
) -> list[Block]:
    """Blocks of the page, in order."""
    blocks: list[Block] = [Paragraph(f"{verdict.source} {_setting(verdict, config)}"), Bullets(_findings(verdict))]
    if verdict.warnings:
        blocks += [Heading("Read this first"), Bullets(verdict.warnings)]
    items: list[Table | Picture] = [*tables, *pictures]
    headed = set()
    for item in sorted(items, key=lambda i: (ORDER.index(i.name), isinstance(i, Picture))):
        if item.title not in headed:
            blocks.append(Heading(item.title))
            headed.add(item.title)
        if isinstance(item, Picture):
            blocks.append(Image(f"{figure_dir}/{item.name}.png", item.title, item.caption))
        else:
            blocks.append(item)
    return blocks


def _setting(verdict: Verdict, config: PipelineConfig) -> str:
    window = f"first {config.cohort.window_hours} h" if config.cohort.window_hours else "whole ICU stay"
    return (
        f"Window: {window}. Modalities: {', '.join(m.upper() for m in config.modality.modalities)}. Extraction: "
        f"{config.cohort.profile}. Reported head: {verdict.head}. {config.evaluate.bootstrap_resamples:,} resamples of "
        f"patients, seed {config.evaluate.seed}."
    )


def _findings(verdict: Verdict) -> tuple[str, ...]:
    main, single = verdict.main, verdict.of(verdict.best_single)
    found = [f"{style(main.model).label}: AUROC {interval(main.macro.auroc)}, AUPRC {interval(main.macro.auprc)}."]
    if single is None or main.difference is None:
        return tuple(found)
    gap = main.difference
    if gap.low > 0:
        meaning = "fusion is better than the best single modality"
    elif gap.high < 0:
        meaning = "fusion is worse than the best single modality"
    else:
        meaning = "no difference is shown"
    rival = f"{style(single.model).label} ({interval(single.macro.auroc)}, best single modality on validation)"
    found.append(f"Minus {rival}: {interval(gap, plus=True)}; {meaning}.")
    if main.gap_closed is not None and main.oracle_auroc is not None:
        found.append(
            f"The best possible AUROC with all inputs is {main.oracle_auroc:.3f}; MedPatch closes "
            f"{percent(main.gap_closed)} of the way there from the best single modality."
        )
    return tuple(found)


def _count_tables(warehouse_dir: Path) -> list[Table]:
    """Cohort and row counts from the marts; a mart that is not there has no table."""
    found = []
    attrition = warehouse_dir / warehouse_file("cohort_attrition")
    if attrition.is_file():
        rows = pl.read_parquet(attrition).sort("step")
        found.append(
            Table(
                "cohort",
                "Cohort",
                ("Criterion", "Stays left", "Stays lost", "Patients left"),
                tuple(
                    (str(r["criterion"]), count(r["stays_left"]), count(r["stays_lost"]), count(r["subjects_left"]))
                    for r in rows.iter_rows(named=True)
                ),
                "ICU stays left after each criterion, in the order applied.",
            )
        )
    account = warehouse_dir / warehouse_file("row_account")
    if account.is_file():
        rows = pl.read_parquet(account)
        found.append(
            Table(
                "rows",
                "Rows read and kept",
                ("Source", "Rule", "Rows in", "Rows kept"),
                tuple(
                    (str(r["source"]), str(r["rule"]), count(r["rows_in"]), count(r["rows_kept"]))
                    for r in rows.iter_rows(named=True)
                ),
                "Every rule that may drop raw rows, with what went in and what stayed.",
            )
        )
    return found
