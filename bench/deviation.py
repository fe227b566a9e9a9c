"""What each correction changes, one rule at a time, as the table of docs/deviations.md.

    python bench/deviation.py [RAW]

RAW is a MIMIC folder, for example the open demo; without it a made-up tree of 300 patients is used.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
from rich.console import Console

from medpatch.config.cohort import Correction
from medpatch.config.name import Task
from medpatch.config.override import apply_overrides
from medpatch.config.preset import preset
from medpatch.extract.run import build_warehouse
from medpatch.extract.source import RawSource, find_raw
from medpatch.extract.staging import build_staging
from medpatch.synthetic.write import write_tree

SUBJECTS = 300
KEY = {
    "stay": ["stay_id"],
    "stay_index": ["stay_id"],
    "label_in_hospital_mortality": ["stay_id"],
    "label_phenotype": ["stay_id", "phenotype"],
    "ehr_event": ["stay_id", "hours_after_intime", "variable"],
    "radiology_report": ["stay_id", "note_id"],
    "discharge_note": ["stay_id"],
}
"""What is compared, and by which columns a row is found again."""
COLUMNS = (
    ("stays", "stay", Task.PHENOTYPING),
    ("phenotype labels", "label_phenotype", Task.PHENOTYPING),
    ("cells, 48 h", "ehr_event", Task.IN_HOSPITAL_MORTALITY),
    ("cells, whole stay", "ehr_event", Task.PHENOTYPING),
    ("samples, 48 h", "stay_index", Task.IN_HOSPITAL_MORTALITY),
    ("reports, 48 h", "radiology_report", Task.IN_HOSPITAL_MORTALITY),
    ("reports, whole stay", "radiology_report", Task.PHENOTYPING),
    ("discharge notes", "discharge_note", Task.PHENOTYPING),
)
IGNORED = ("reason", "ehr_event_count", "rr_count", "dn_count", "cxr_count", "split")
Tables = dict[tuple[str, Task], pl.DataFrame]


def main(raw_dir: Path | None) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as aside:
        folder = Path(aside)
        if raw_dir is None:
            write_tree(folder / "raw", subjects=SUBJECTS, seed=7)
        source = find_raw(raw_dir or folder / "raw")
        build_staging(source, folder / "staging", inputs="bench")
        published = tables(source, folder, ())
        lines = [f"| rule | {' | '.join(name for name, *_ in COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
        whole = [f"{published[table, task].height:,}" for _, table, task in COLUMNS]
        lines.append(f"| (as published) | {' | '.join(whole)} |")
        for name, rules in [*((str(rule), (rule,)) for rule in Correction), ("all of them", tuple(Correction))]:
            corrected = tables(source, folder, rules)
            found = [effect(published[table, task], corrected[table, task], KEY[table]) for _, table, task in COLUMNS]
            lines.append(f"| {name} | {' | '.join(found)} |")
    Console(width=200).print("\n".join(lines), markup=False, highlight=False)


def tables(source: RawSource, folder: Path, rules: tuple[Correction, ...]) -> Tables:
    """The tables of both tasks with these rules corrected."""
    return dict(_built(source, folder, rules))


def effect(published: pl.DataFrame, corrected: pl.DataFrame, key: list[str]) -> str:
    """Rows added, removed and changed: "+3 -1 ~20"; a dash for none."""
    shown = [c for c in published.columns if c not in IGNORED]
    published, corrected = published.select(shown), corrected.select(shown)
    added = corrected.join(published, on=key, how="anti").height
    removed = published.join(corrected, on=key, how="anti").height
    both = corrected.join(published, on=key, how="semi").height
    same = corrected.join(published, on=shown, how="semi", nulls_equal=True).height
    parts = [f"{sign}{count:,}" for sign, count in (("+", added), ("-", removed), ("~", both - same)) if count]
    return " ".join(parts) or "–"


def _built(
    source: RawSource, folder: Path, rules: tuple[Correction, ...]
) -> Iterator[tuple[tuple[str, Task], pl.DataFrame]]:
    for task in Task:
        config = apply_overrides(preset(task), {"cohort.corrections": [str(rule) for rule in rules]})
        out = folder / "tables"
        build_warehouse(source, config, out_dir=out, inputs="bench", staging_dir=folder / "staging")
        for name in KEY:
            yield (name, task), pl.read_parquet(out / f"{name}.parquet")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
