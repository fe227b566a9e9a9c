"""Notes without a time, without note_id, or twice in their file: what each profile reads, counts and refuses."""

import logging
from pathlib import Path

import polars as pl
import pytest

from medpatch.align.shard import write_shards
from medpatch.config.override import apply_overrides
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.preset import preset, tiny_phenotyping
from medpatch.extract.run import ExtractReport, build_warehouse
from medpatch.extract.source import find_raw
from medpatch.validate.gate import GateError, gate_warehouse

from .conftest import NOTE_COLUMNS, write_ehr, write_gz

TIMES = "2100-01-02 09:30:00,2100-01-02 11:00:00"
ONE = f"1-RR-1,1,10,RR,1,{TIMES},first report"
UNDATED = "1-RR-2,1,10,RR,2,,2100-01-02 11:00:00,undated report"
NAMELESS = f",1,10,RR,3,{TIMES},nameless report"
AFTER = "1-RR-4,1,10,RR,4,2100-01-07 09:30:00,,late report"
DISCHARGE = ("1-DS-1,1,10,DS,1,,,went home", "1-DS-1,1,10,DS,1,,,went home")


def configured(task: str, profile: str, **changes: object) -> PipelineConfig:
    modalities = ("ehr", "rr", "dn") if task == "phenotyping" else ("ehr", "rr")
    return apply_overrides(
        preset(task), {"cohort.profile": profile, "modality.modalities": modalities, "modality.text_arms": ()} | changes
    )


def extracted(tmp_path: Path, config: PipelineConfig, *reports: str) -> ExtractReport:
    raw = write_ehr(tmp_path / "raw")
    for name, lines in (("radiology", reports), ("discharge", DISCHARGE)):
        write_gz(raw / "mimic-iv-note" / "note" / f"{name}.csv.gz", "\n".join((NOTE_COLUMNS, *lines)) + "\n")
    return build_warehouse(find_raw(raw), config, out_dir=tmp_path / "out", inputs="odd")


def texts(tmp_path: Path, table: str = "radiology_report") -> list[str]:
    return pl.read_parquet(tmp_path / "out" / f"{table}.parquet").sort("note_order")["text"].to_list()


def lost(report: ExtractReport) -> dict[str, int]:
    accounts = [a for a in report.accounts if a.source == "radiology"]
    return {a.rule: a.rows_in - a.rows_kept for a in accounts if a.rows_in > a.rows_kept}


def tokens_of(tmp_path: Path, config: PipelineConfig) -> int:
    write_shards(tmp_path / "out", None, config=config, out_dir=tmp_path / "tensor", inputs="odd")
    return pl.read_parquet(tmp_path / "tensor" / "manifest.parquet").filter(stay_id=100)["rr_tokens"].item()


def warned(caplog: pytest.LogCaptureFixture, table: str) -> set[str]:
    messages = [r.getMessage() for r in caplog.records if r.name == "medpatch.validate.gate"]
    return {m.split(": ")[1].split(" [")[0] for m in messages if m.startswith(table)}


def test_published_whole_stay_reads_every_row_of_the_file_and_the_gate_warns(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = configured("phenotyping", "published")

    report = extracted(tmp_path, config, ONE, UNDATED, NAMELESS, ONE, AFTER)
    with caplog.at_level(logging.WARNING):
        results = gate_warehouse(tmp_path / "out", config)

    assert texts(tmp_path) == ["first report", "undated report", "nameless report", "first report", "late report"]
    assert texts(tmp_path, "discharge_note") == ["went home"]
    assert lost(report) == {}
    assert all(result.is_passed for result in results)
    assert warned(caplog, "radiology_report") == {"charttime_is_given", "note_id_is_given", "note_is_used_once"}
    assert warned(caplog, "discharge_note") == {"charttime_is_given"}
    assert "What to do: look at the rows of note/radiology.csv.gz" in caplog.text
    assert "What to do: look at the rows of note/discharge.csv.gz" in caplog.text


def test_corrected_whole_stay_leaves_out_repeats_and_undated_reports_and_counts_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = configured("phenotyping", "corrected")

    report = extracted(tmp_path, config, ONE, UNDATED, NAMELESS, ONE, AFTER, ONE)
    with caplog.at_level(logging.WARNING):
        gate_warehouse(tmp_path / "out", config)

    assert texts(tmp_path) == ["first report", "nameless report"]
    assert lost(report) == {"not: time missing": 1, "not: outside the window": 1, "not: report repeated": 2}
    assert warned(caplog, "radiology_report") == {"note_id_is_given"}
    assert warned(caplog, "discharge_note") == {"charttime_is_given"}


@pytest.mark.parametrize(("profile", "copies"), [("published", 2), ("corrected", 1)])
def test_fixed_window_leaves_out_undated_reports_in_either_profile(tmp_path: Path, profile: str, copies: int) -> None:
    config = configured("in_hospital_mortality", profile)

    report = extracted(tmp_path, config, ONE, UNDATED, ONE)
    gate_warehouse(tmp_path / "out", config)

    assert texts(tmp_path) == ["first report"] * copies
    assert lost(report)["not: time missing"] == 1
    assert lost(report).get("not: report repeated", 0) == 2 - copies


def test_report_that_is_repeated_without_its_admission_is_joined_once(tmp_path: Path) -> None:
    config = configured("phenotyping", "corrected")

    report = extracted(tmp_path, config, ONE.replace("1-RR-1,1,10,", "1-RR-1,1,,"), ONE)
    gate_warehouse(tmp_path / "out", config)

    assert texts(tmp_path) == ["first report"]
    assert lost(report) == {"not: report repeated": 1}


def test_odd_notes_reach_the_shards_too(tmp_path: Path) -> None:
    config = apply_overrides(tiny_phenotyping(), {"modality.modalities": ("ehr", "rr"), "modality.text_arms": ()})
    extracted(tmp_path, config, UNDATED, NAMELESS, ONE)
    whole = tokens_of(tmp_path, config)
    extracted(tmp_path, config, ONE)
    one = tokens_of(tmp_path, config)

    assert whole > 3 * (one - 2) > 0


@pytest.mark.parametrize(
    ("task", "profile", "changes", "expectation"),
    [
        ("in_hospital_mortality", "published", {"charttime": None, "hours_after_intime": None}, "charttime_is_given"),
        ("phenotyping", "corrected", {"charttime": None, "hours_after_intime": None}, "charttime_is_given"),
        ("phenotyping", "corrected", {"note_id": "1-RR-1", "text": "first report"}, "note_is_used_once"),
    ],
)
def test_gate_stops_where_the_rules_should_have_left_a_note_out(
    tmp_path: Path, task: str, profile: str, changes: dict[str, object], expectation: str
) -> None:
    config = configured(task, profile)
    extracted(tmp_path, config, ONE, ONE.replace("1-RR-1", "1-RR-5"))
    file = tmp_path / "out" / "radiology_report.parquet"
    rows = pl.read_parquet(file)
    last = pl.col("note_order") == 1
    changed = [
        pl.when(last).then(pl.lit(v, dtype=rows.schema[k])).otherwise(pl.col(k)).alias(k) for k, v in changes.items()
    ]
    rows.with_columns(changed).write_parquet(file)

    with pytest.raises(GateError, match=rf"(?s){expectation} \[.*What to do: look at the rows of note/radiology\.csv"):
        gate_warehouse(tmp_path / "out", config)
