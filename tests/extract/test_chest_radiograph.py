"""Which reports the arm without reports of chest radiographs leaves out, by their titles or first words."""

import csv
import io
from pathlib import Path

import polars as pl

from medpatch.config.override import apply_overrides
from medpatch.config.preset import preset
from medpatch.extract.run import build_warehouse
from medpatch.extract.source import find_raw
from medpatch.synthetic.wording import CHEST, EXAMS

from .conftest import NOTE_COLUMNS, write_ehr, write_gz

RADIOGRAPHS = (
    "EXAMINATION:  CHEST (PORTABLE AP)\n\nINDICATION:  ___",
    "EXAMINATION: CHEST (PA AND LAT)\r\n\r\nNo effusion",
    "EXAMINATION:\nCHEST (PA AND LAT)\nINDICATION: fever",
    "TYPE OF EXAMINATION: CHEST, AP PORTABLE SINGLE VIEW",
    "EXAM: CHEST PORT. LINE PLACEMENT",
    "EXAMINATION: CHEST RADIOGRAPH FOR FEEDING TUBE PLACEMENT",
    "EXAMINATION: PORTABLE CHEST X-RAY, ET TUBE PLACEMENT",
    "EXAMINATION: CHEST (PORTABLE AP), CHEST TUBE REMOVAL",
    "EXAMINATION: DX CHEST PORTABLE PICC LINE PLACEMENT",
    "EXAMINATION: PORTABLE CXR",
    "EXAMINATION: BABYGRAM CHEST",
    "EXAMINATION: RIB UNILAT, W/ AP CHEST",
    "INDICATION: NG tube. PORTABLE SEMI-UPRIGHT RADIOGRAPH OF THE CHEST",
    "INDICATION: chest tube.\nTECHNIQUE: two views of the chest",
    "CHEST, TWO VIEWS: ___",
    "CHEST RADIOGRAPHS ON ___",
    "AP chest, 5:00 a.m.",
    "DX CHEST & RIBS",
)
OTHERS = (
    "EXAMINATION:  CT CHEST W/O CONTRAST",
    "WET READ: see below\nEXAMINATION: CTA CHEST",
    "STUDY: Ultrasound of the chest",
    "EXAM: CHEST U.S. RIGHT",
    "EXAMINATION: CHEST TUBE PLACEMENT",
    "EXAMINATION: LEFT CHEST TUBES, REMOVAL",
    "EXAMINATION: CT-GUIDED CHEST DRAINAGE",
    "EXAMINATION: PERC G-TUBE PLACEMENT",
    "EXAM: FEEDING TUBE PLACEMENT, FLUORO GUIDED",
    "EXAMINATION: NASOGASTRIC TUBE CHECK",
    "EXAM: ABDOMEN (SUPINE & ERECT), TWO VIEWS",
    "EXAMINATION: RIGHT KNEE, 3 VIEWS",
    "Final report\nCOMPARISON: chest CT",
    "INDICATION: in view of chest pain, rule out bleed\nTECHNIQUE: CT of the head",
    "HISTORY: left lateral chest wall pain\nRENAL ULTRASOUND",
    "TECHNIQUE: two mm axial images of the chest after contrast",
    "PORTABLE ABDOMEN, one view",
)


def left(tmp_path: Path, texts: tuple[str, ...]) -> set[str]:
    """Texts that the arm does not leave out."""
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerow(NOTE_COLUMNS.split(","))
    writer.writerows([f"1-RR-{i}", 1, 10, "RR", i, "2100-01-02 09:30:00", "", text] for i, text in enumerate(texts))
    raw = write_ehr(tmp_path / "raw")
    write_gz(raw / "mimic-iv-note" / "note" / "radiology.csv.gz", rows.getvalue())
    arm = {"modality.modalities": ("ehr", "rr"), "modality.text_arms": ["radiology_without_cxr_reports"]}
    build_warehouse(find_raw(raw), apply_overrides(preset("phenotyping"), arm), out_dir=tmp_path / "out", inputs="x")
    return set(pl.read_parquet(tmp_path / "out" / "radiology_report.parquet")["text"])


def test_reports_of_chest_radiographs_are_told_from_others_by_title_or_first_words(tmp_path: Path) -> None:
    assert left(tmp_path, (*RADIOGRAPHS, *OTHERS)) == set(OTHERS)


def test_titles_of_made_up_reports_are_told_apart(tmp_path: Path) -> None:
    titles = [f"EXAMINATION:  {exam}\n\nINDICATION: line placement" for exam in (CHEST, *EXAMS)]

    assert left(tmp_path, tuple(titles)) == set(titles[1:])
