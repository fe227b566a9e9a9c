"""Times with a time zone, however it is written: refused, for MIMIC's times have none and a cast would drop it."""

from pathlib import Path

import pytest

from medpatch.config.error import RawDataError

from .conftest import EHR, write_ehr
from .test_staging import rows, stage

TIME = "2110-01-02 02:00:00"


@pytest.mark.parametrize(
    "written",
    [
        f"{TIME} Europe/Berlin",
        f"{TIME} America/New_York",
        f"{TIME} Etc/GMT+5",
        f"{TIME} EST",
        "2110/01/02 02:00:00 UTC",
        "2110/01/02 02:00:00+02",
        "2110-01-02T02:00:00.000-05:30",
    ],
)
def test_time_zone_is_named_with_its_line_however_it_is_written(tmp_path: Path, written: str) -> None:
    raw = write_ehr(tmp_path / "raw", {"icu/chartevents": EHR["icu/chartevents"].replace(TIME, written)})

    with pytest.raises(RawDataError, match=r"chartevents\.csv\.gz, line 6 .*time zone in column charttime"):
        stage(raw, tmp_path / "work")


@pytest.mark.parametrize("written", ["2110/01/02 02:00:00", "2110-01-02T02:00:00.000", "2110-1-2 2:0:0"])
def test_time_without_a_zone_is_read_in_other_spellings_too(tmp_path: Path, written: str) -> None:
    raw = write_ehr(tmp_path / "raw", {"icu/chartevents": EHR["icu/chartevents"].replace(TIME, written)})

    found = rows(stage(raw, tmp_path / "work"), "stg_chartevents", "charttime::VARCHAR")

    assert found[4] == (TIME,)
