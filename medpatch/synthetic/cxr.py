"""mimic-cxr-jpg/: which pictures exist, their tables and their files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from medpatch.config.name import Modality
from medpatch.synthetic.chunk import Chunk, hours
from medpatch.synthetic.evidence import draw_symbols, emissions
from medpatch.synthetic.identity import CHUNK_SUBJECTS, STUDY, SUBJECT, SUBJECT_ROOM, dicom_id, identifiers
from medpatch.synthetic.picture import jpeg, render
from medpatch.synthetic.state import draw_state

TABLES = tuple(f"mimic-cxr-jpg/mimic-cxr-2.0.0-{name}" for name in ("metadata", "split", "chexpert"))
PROCEDURE = {"AP": "CHEST (PORTABLE AP)", "PA": "CHEST (PA AND LAT)", "LATERAL": "CHEST (PA AND LAT)"}
VIEW_MEANING = {"AP": "antero-posterior", "PA": "postero-anterior", "LATERAL": "lateral"}
CHEXPERT = {
    "Pneumonia": "right_base_opacity", "Lung Opacity": "haze_right_apex", "Cardiomegaly": "large_heart",
    "Edema": "septal_lines", "Pleural Effusion": "left_base_effusion", "Support Devices": "endotracheal_tube",
}  # fmt: skip
FOREIGN = 24
"""Subjects per full chunk who have pictures but are not in MIMIC-IV."""


@dataclass(frozen=True)
class Picture:
    """One image to be made."""

    subject_id: int
    study: int  # counts studies inside the chunk
    time: np.datetime64
    view: str
    finding: np.ndarray  # (F,) bool


def chunk_pictures(rng: np.random.Generator, chunk: Chunk) -> list[Picture]:
    """Pictures of the plan, and others that no window or view filter may let through."""
    plan, stays = chunk.plan, chunk.stays
    subject, found = chunk.subject_of_stay(), []
    earlier = draw_symbols(rng, Modality.CXR, state=plan.state)
    other = draw_symbols(rng, Modality.CXR, state=draw_state(rng, plan.count))
    chance = rng.random((plan.count, 4))

    def add(stay: int, hour: float, *, finding: np.ndarray, views: tuple[str, ...] = ("AP",)) -> None:
        study = next_study(found)
        time = stays.intime[stay] + hours(hour)
        found.extend(Picture(int(subject[stay]), study, time, view, finding) for view in views)

    for i in range(plan.count):
        if plan.has_cxr[i]:
            if chance[i, 0] < 0.12:
                add(i, float(plan.cxr_hour[i] * 0.5), finding=earlier[i])
            twice = ("AP", "AP") if chance[i, 1] < 0.05 else ("AP",)  # two exposures show the same
            add(i, float(plan.cxr_hour[i]), finding=plan.finding[i], views=twice)
        elif chance[i, 0] < 0.05:
            add(i, 0.4 * float(plan.los_hours[i]), finding=other[i], views=("PA", "LATERAL"))
        if plan.has_late_cxr[i]:
            add(i, float(plan.late_cxr_hour[i]), finding=plan.late_finding[i])
        if chance[i, 2] < 0.04:
            add(i, float(plan.los_hours[i]) + 1.5, finding=other[i])
        if chance[i, 3] < 0.08:  # at least an hour before the admission of any stay
            gap = (stays.intime[i] - chunk.admissions.admittime[stays.admission[i]]).astype(float) / 3600
            add(i, -float(gap) - 24 * 9, finding=other[i], views=("PA", "LATERAL"))
    return found


def next_study(pictures: list[Picture]) -> int:
    """The first study number not yet used."""
    return pictures[-1].study + 1 if pictures else 0


def foreign_pictures(rng: np.random.Generator, chunk: Chunk, *, study: int) -> list[Picture]:
    """Pictures of people who are not in MIMIC-IV; their studies are numbered from `study`."""
    people = len(chunk.subjects.subject_id)
    count = FOREIGN * people // CHUNK_SUBJECTS
    subject = identifiers(SUBJECT, chunk.number, count=people + count, room=SUBJECT_ROOM)[people:].tolist()
    finding = draw_symbols(rng, Modality.CXR, state=draw_state(rng, count))
    time = np.datetime64("2150-03-01T10:00:00", "s")
    return [Picture(subject[i], study + i, time, "AP", finding[i]) for i in range(count)]


def made_up_picture(rng: np.random.Generator, picture: Picture) -> np.ndarray:
    """(H, W) uint8, drawn from its findings."""
    return render(rng, picture.finding)


def write_pictures(
    rng: np.random.Generator,
    pictures: list[Picture],
    *,
    root: Path,
    number: int,
    paint: Callable[[np.random.Generator, Picture], np.ndarray] = made_up_picture,
) -> dict[str, pl.DataFrame]:
    """Write the files below root/mimic-cxr-jpg/files; rows of the three tables.

    Args:
        rng: source of names and noise.
        pictures: what to write.
        root: the tree.
        number: chunk, for the study numbers.
        paint: makes the (H, W) uint8 pixels of a picture.
    """
    named = [dicom_id(rng) for _ in pictures]
    studies = identifiers(STUDY, number, count=next_study(pictures)).tolist()
    sizes = []
    for name, picture in zip(named, pictures, strict=True):
        pixels = paint(rng, picture)
        path = root / image_path(picture.subject_id, studies[picture.study], dicom=name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(pixels))
        sizes.append(pixels.shape)
    study_ids = [studies[picture.study] for picture in pictures]
    return picture_tables(pictures, dicom_ids=named, study_ids=study_ids, sizes=sizes)


def image_path(subject_id: int, study_id: int, *, dicom: str) -> Path:
    """Where an image lies, relative to the tree."""
    person = f"p{subject_id}"
    return Path("mimic-cxr-jpg", "files", person[:3], person, f"s{study_id}", f"{dicom}.jpg")


def picture_tables(
    pictures: list[Picture], *, dicom_ids: list[str], study_ids: list[int], sizes: list[tuple[int, int]]
) -> dict[str, pl.DataFrame]:
    """Rows of metadata, split and chexpert; StudyTime is a number and so loses its leading zeros."""
    subject = [p.subject_id for p in pictures]
    clock = [str(p.time) for p in pictures]
    split = ["test" if s % 50 == 1 else "validate" if s % 50 == 2 else "train" for s in subject]
    metadata = pl.DataFrame(
        {
            "dicom_id": pl.Series(dicom_ids, dtype=pl.String),
            "subject_id": pl.Series(subject, dtype=pl.Int64),
            "study_id": pl.Series(study_ids, dtype=pl.Int64),
            "PerformedProcedureStepDescription": pl.Series([PROCEDURE[p.view] for p in pictures], dtype=pl.String),
            "ViewPosition": pl.Series([p.view for p in pictures], dtype=pl.String),
            "Rows": pl.Series([size[0] for size in sizes], dtype=pl.Int64),
            "Columns": pl.Series([size[1] for size in sizes], dtype=pl.Int64),
            "StudyDate": pl.Series([int(c[:10].replace("-", "")) for c in clock], dtype=pl.Int64),
            "StudyTime": pl.Series([f"{int(c[11:].replace(':', ''))}.531" for c in clock], dtype=pl.String),
            "ProcedureCodeSequence_CodeMeaning": pl.Series([PROCEDURE[p.view] for p in pictures], dtype=pl.String),
            "ViewCodeSequence_CodeMeaning": pl.Series([VIEW_MEANING[p.view] for p in pictures], dtype=pl.String),
            "PatientOrientationCodeSequence_CodeMeaning": pl.Series(["Erect"] * len(pictures), dtype=pl.String),
        }
    )
    keys = metadata.select("dicom_id", "study_id", "subject_id")
    return {
        TABLES[0]: metadata,
        TABLES[1]: keys.with_columns(pl.Series("split", split, dtype=pl.String)),
        TABLES[2]: _chexpert(pictures, study_ids),
    }


def _chexpert(pictures: list[Picture], study_ids: list[int]) -> pl.DataFrame:
    """One row per study: 1.0 found, 0.0 denied, empty not mentioned."""
    names = [emission.symbol for emission in emissions(Modality.CXR)]
    rows = dict(zip(study_ids, pictures, strict=True))
    table: dict[str, pl.Series] = {
        "subject_id": pl.Series([p.subject_id for p in rows.values()], dtype=pl.Int64),
        "study_id": pl.Series(list(rows), dtype=pl.Int64),
    }
    for label, symbol in CHEXPERT.items():
        found = [bool(p.finding[names.index(symbol)]) for p in rows.values()]
        text = ["1.0" if yes else ("0.0" if study % 2 else None) for study, yes in zip(rows, found, strict=True)]
        table[label] = pl.Series(text, dtype=pl.String)
    table["No Finding"] = pl.Series([None if p.finding.any() else "1.0" for p in rows.values()], dtype=pl.String)
    return pl.DataFrame(table)
