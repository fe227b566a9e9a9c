"""What a raw file says of a patient stays out of errors, also out of their tracebacks."""

import traceback
from pathlib import Path

import pytest

from medpatch.config.error import RawDataError
from medpatch.extract.source import find_raw
from medpatch.extract.staging import build_staging

from .conftest import EHR, NOTE_COLUMNS, write_ehr, write_gz

SECRET = "lives alone with seven parrots"


def _staging_error(raw: Path, work: Path) -> str:
    with pytest.raises(RawDataError) as caught:
        build_staging(find_raw(raw), work / "staging", inputs="a")
    return "".join(traceback.format_exception(caught.value))


def test_note_with_a_wrong_time_is_not_quoted(tmp_path: Path) -> None:
    write_ehr(tmp_path / "raw" / "mimiciv")
    note = f'{NOTE_COLUMNS}\n1-RR-1,1,10,RR,1,someday,2100-01-02 11:00:00,"{SECRET}"\n'
    write_gz(tmp_path / "raw" / "mimic-iv-note" / "note" / "radiology.csv.gz", note)
    text = _staging_error(tmp_path / "raw", tmp_path / "work")
    assert "radiology.csv.gz" in text
    assert SECRET not in text


def test_event_with_a_wrong_time_is_not_quoted(tmp_path: Path) -> None:
    table = EHR["icu/chartevents"]
    header = table.splitlines()[0]
    cells = {"charttime": "someday", "value": SECRET, "itemid": "220045"}
    row = ",".join(cells.get(column, "1") for column in header.split(","))
    write_ehr(tmp_path / "raw" / "mimiciv", {"icu/chartevents": f"{header}\n{row}\n"})
    text = _staging_error(tmp_path / "raw", tmp_path / "work")
    assert "chartevents.csv.gz" in text
    assert SECRET not in text
