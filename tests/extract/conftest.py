"""A made-up MIMIC of three patients, small enough to read here."""

import gzip
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

NOTE_COLUMNS = "note_id,subject_id,hadm_id,note_type,note_seq,charttime,storetime,text"

EHR: dict[str, str] = {
    "hosp/patients": """subject_id,gender,anchor_age,anchor_year,anchor_year_group,dod
1,F,50,2100,2008 - 2010,2100-01-08
2,M,70,2110,2008 - 2010,
3,M,16,2120,2008 - 2010,
""",
    "hosp/admissions": """subject_id,hadm_id,admittime,dischtime,deathtime,admit_provider_id,race
1,10,2100-01-01 12:00:00,2100-01-08 18:00:00,2100-01-08 17:00:00,P1,WHITE - RUSSIAN
2,20,2110-01-01 12:00:00,2110-01-08 18:00:00,,P1,ASIAN - KOREAN
3,30,2120-01-01 12:00:00,2120-01-08 18:00:00,,P1,OTHER
""",
    "hosp/diagnoses_icd": """subject_id,hadm_id,seq_num,icd_code,icd_version
1,10,1,78552,9
2,20,1,4019,9
3,30,1,4019,9
""",
    "hosp/d_icd_diagnoses": """icd_code,icd_version,long_title
78552,9,"Septic shock"
4019,9,"Hypertension, unspecified"
""",
    "hosp/labevents": """labevent_id,subject_id,hadm_id,itemid,charttime,storetime,value,valuenum,comments
1,1,10,50931,2100-01-02 06:00:00,2100-01-02 07:10:00,___,141,"first
second line"
2,1,10,50931,2100-01-02 07:00:00,2100-01-02 08:00:00,150,150,
3,2,,50931,2110-01-02 07:00:00,,120,120,
""",
    "icu/icustays": """subject_id,hadm_id,stay_id,first_careunit,last_careunit,intime,outtime,los
1,10,100,MICU,MICU,2100-01-02 00:00:00,2100-01-05 00:00:00,3
2,20,200,MICU,MICU,2110-01-02 00:00:00,2110-01-05 00:00:00,3
3,30,300,MICU,MICU,2120-01-02 00:00:00,2120-01-05 00:00:00,3
""",
    "icu/chartevents": """subject_id,hadm_id,stay_id,caregiver_id,charttime,storetime,itemid,value,valuenum,valueuom
1,10,100,7,2100-01-02 01:00:00,,220045,88,88,bpm
1,10,100,7,2100-01-02 01:00:00,,220739,None,1,
2,20,200,7,2110-01-02 01:00:00,,220045,99,99,bpm
2,20,200,7,2110-01-02 01:00:00,,220045,101,101,bpm
2,20,200,7,2110-01-02 02:00:00,,220045,NaN,,bpm
3,30,300,7,2120-01-02 01:00:00,,220045,70,70,bpm
""",
}
CXR = """dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,StudyDate,StudyTime
aa,1,500,CHEST,AP,10,21000102,93012.5
bb,2,501,CHEST,PA,10,21100102,93012.5
"""
RADIOLOGY = (
    NOTE_COLUMNS
    + """
1-RR-1,1,10,RR,1,2100-01-02 09:30:00,2100-01-02 11:00:00,"EXAM: chest
""portable""
IMPRESSION: clear, no effusion"
2-RR-1,2,,RR,1,2110-01-02 09:30:00,2110-01-02 11:00:00,None
"""
)
DISCHARGE = NOTE_COLUMNS + "\n1-DS-1,1,10,DS,1,2100-01-08,2100-01-09 11:00:00,went home\n"


def write_gz(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(text.encode(), mtime=0))
    return file


def write_ehr(folder: Path, changes: Mapping[str, str | None] | None = None) -> Path:
    """hosp/ and icu/ under a folder; a change replaces a table, None leaves it out."""
    for name, text in (EHR | dict(changes or {})).items():
        if text is not None:
            write_gz(folder / f"{name}.csv.gz", text)
    return folder


@pytest.fixture
def raw_dir(tmp_path: Path) -> Path:
    """All three data sets in our layout."""
    raw = tmp_path / "raw"
    write_ehr(raw / "mimiciv")
    write_gz(raw / "mimic-cxr-jpg" / "mimic-cxr-2.0.0-metadata.csv.gz", CXR)
    write_gz(raw / "mimic-iv-note" / "note" / "radiology.csv.gz", RADIOLOGY)
    write_gz(raw / "mimic-iv-note" / "note" / "discharge.csv.gz", DISCHARGE)
    return raw


@pytest.fixture
def leftovers(tmp_path: Path) -> Callable[[], list[str]]:
    """Names in the folder that outputs go to, hidden ones too."""
    (tmp_path / "work").mkdir()
    return lambda: sorted(p.name for p in (tmp_path / "work").iterdir())
