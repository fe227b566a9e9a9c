"""The hosp/ tables that the pipeline does not read: a few plausible rows each, so that a tree is complete."""

from collections.abc import Callable

import numpy as np
import polars as pl

from medpatch.synthetic.chunk import Chunk, hours, milliseconds
from medpatch.synthetic.identity import CAREGIVERS, PROVIDERS, provider_id
from medpatch.synthetic.state import read_parameter

DRUGS = ("Acetaminophen", "Heparin", "Pantoprazole", "Potassium Chloride", "Insulin", "Furosemide")
PROCEDURES = (("9604", 9, "Insertion of endotracheal tube"), ("3893", 9, "Venous catheterization, NEC"),
              ("02HV33Z", 10, "Insertion of Infusion Device into Superior Vena Cava, Percutaneous Approach"),
              ("0BH17EZ", 10, "Insertion of Endotracheal Airway into Trachea, Via Opening"))  # fmt: skip
HCPCS = (("99291", "Critical care first hour"), ("93005", "Electrocardiogram tracing"))

Rows = Callable[[np.random.Generator, Chunk], pl.DataFrame]


def dictionaries() -> dict[str, pl.DataFrame]:
    """Tables that do not grow with the subjects."""
    codes = pl.DataFrame(PROCEDURES, schema=["icd_code", "icd_version", "long_title"], orient="row")
    billing = pl.DataFrame(HCPCS, schema=["code", "short_description"], orient="row")
    return {
        "mimiciv/hosp/d_icd_procedures": codes,
        "mimiciv/hosp/d_hcpcs": billing.with_columns(pl.col("short_description").alias("long_description")),
        "mimiciv/hosp/d_labitems": pl.DataFrame(read_parameter("lab_item")),
        "mimiciv/hosp/provider": pl.DataFrame({"provider_id": PROVIDERS}),
        "mimiciv/icu/caregiver": pl.DataFrame({"caregiver_id": CAREGIVERS}),
        "mimiciv/icu/d_items": pl.DataFrame(read_parameter("item")).with_columns(
            pl.when(pl.all() != "").then(pl.all())
        ),
    }


def procedures_icd(rng: np.random.Generator, chunk: Chunk) -> pl.DataFrame:
    """A procedure code for half of the admissions."""
    frame, row = _some(rng, chunk, share=0.5)
    pick = rng.integers(0, len(PROCEDURES), frame.height).tolist()
    return frame.with_columns(
        pl.lit(1).alias("seq_num"),
        pl.Series("chartdate", _date(chunk, row)),
        pl.Series("icd_code", [PROCEDURES[i][0] for i in pick], dtype=pl.String),
        pl.Series("icd_version", [PROCEDURES[i][1] for i in pick], dtype=pl.Int64),
    )


def hcpcsevents(rng: np.random.Generator, chunk: Chunk) -> pl.DataFrame:
    """Billing codes of a few admissions."""
    frame, row = _some(rng, chunk, share=0.1)
    pick = rng.integers(0, len(HCPCS), frame.height).tolist()
    return frame.with_columns(
        pl.Series("chartdate", _date(chunk, row)),
        pl.Series("hcpcs_cd", [HCPCS[i][0] for i in pick], dtype=pl.String),
        pl.lit(1).alias("seq_num"),
        pl.Series("short_description", [HCPCS[i][1] for i in pick], dtype=pl.String),
    )


def drgcodes(rng: np.random.Generator, chunk: Chunk) -> pl.DataFrame:
    """One group that says nothing."""
    frame, _ = _some(rng, chunk, share=0.8)
    return frame.with_columns(
        pl.lit("HCFA").alias("drg_type"), pl.lit("999").alias("drg_code"), pl.lit("UNGROUPABLE").alias("description")
    )


def omr(rng: np.random.Generator, chunk: Chunk) -> pl.DataFrame:
    """Outpatient weights."""
    frame, row = _some(rng, chunk, share=0.6)
    return frame.drop("hadm_id").with_columns(
        pl.Series("chartdate", _date(chunk, row) - np.timedelta64(9, "D")),
        pl.lit(1).alias("seq_num"),
        pl.lit("Weight (Lbs)").alias("result_name"),
        pl.Series("result_value", rng.integers(110, 290, frame.height).astype(str)),
    )


def microbiologyevents(rng: np.random.Generator, chunk: Chunk) -> pl.DataFrame:
    """Screening swabs."""
    frame, row = _some(rng, chunk, share=0.5)
    at = chunk.admissions.admittime[row] + hours(np.full(len(row), 3.0))
    day = at.astype("datetime64[D]")
    return frame.with_columns(
        pl.Series("microevent_id", chunk.number * 4096 + np.arange(1, len(row) + 1)),
        pl.Series("micro_specimen_id", rng.integers(1_000_000, 9_999_999, len(row))),
        pl.Series("order_provider_id", provider_id(rng, len(row))),
        pl.Series("chartdate", milliseconds(day)),
        pl.Series("charttime", milliseconds(at)),
        pl.lit(70091).alias("spec_itemid"),
        pl.lit("MRSA SCREEN").alias("spec_type_desc"),
        pl.lit(1).alias("test_seq"),
        pl.Series("storedate", milliseconds(day + np.timedelta64(2, "D"))),
        pl.Series("storetime", milliseconds(at + hours(np.full(len(row), 46.0)))),
        pl.lit(90115).alias("test_itemid"),
        pl.lit("MRSA SCREEN").alias("test_name"),
        pl.lit("No MRSA isolated.  ").alias("comments"),
    )


def medication_tables(rng: np.random.Generator, chunk: Chunk) -> dict[str, pl.DataFrame]:
    """poe, poe_detail, pharmacy, prescriptions, emar and emar_detail: one order each, linked by its keys."""
    frame, row = _some(rng, chunk, share=1.0)
    count = frame.height
    start = chunk.admissions.admittime[row] + hours(np.full(count, 2.0))
    subject, order = frame["subject_id"].to_list(), np.arange(count) + 2
    drug = rng.choice(DRUGS, count)
    keyed = frame.with_columns(
        pl.Series("poe_id", [f"{s}-{n}" for s, n in zip(subject, order.tolist(), strict=True)], dtype=pl.String),
        pl.Series("poe_seq", order),
        pl.Series("pharmacy_id", 10_000_000 + chunk.number * 8192 + np.arange(count)),
        pl.Series("starttime", milliseconds(start)),
        pl.Series("stoptime", milliseconds(start + hours(np.full(count, 24.0)))),
        pl.Series("order_provider_id", provider_id(rng, count)),
    )
    given = keyed.select("subject_id", "hadm_id", "poe_id", "pharmacy_id").with_columns(
        pl.Series("emar_id", [f"{s}-{n}" for s, n in zip(subject, (order - 1).tolist(), strict=True)], dtype=pl.String),
        pl.Series("emar_seq", order - 1),
        pl.Series("medication", drug),
        pl.lit("Administered").alias("event_txt"),
        pl.Series("charttime", milliseconds(start + hours(np.full(count, 0.5)))),
        pl.Series("scheduletime", milliseconds(start)),
        pl.Series("storetime", milliseconds(start + hours(np.full(count, 0.6)))),
    )
    orders = keyed.select("poe_id", "poe_seq", "subject_id", "hadm_id", "order_provider_id")
    return {
        "mimiciv/hosp/poe": orders.with_columns(
            pl.Series("ordertime", milliseconds(start)), pl.lit("Medications").alias("order_type"),
            pl.lit("New").alias("transaction_type"), pl.lit("Inactive").alias("order_status"),
        ),
        "mimiciv/hosp/poe_detail": orders.select("poe_id", "poe_seq", "subject_id").with_columns(
            pl.lit("Admit to").alias("field_name"), pl.lit("Medicine").alias("field_value")
        ),
        "mimiciv/hosp/pharmacy": keyed.select(
            "subject_id", "hadm_id", "pharmacy_id", "poe_id", "starttime", "stoptime"
        ).with_columns(
            pl.Series("medication", drug), pl.lit("Unit Dose").alias("proc_type"),
            pl.lit("Discontinued via patient discharge").alias("status"),
            pl.Series("entertime", milliseconds(start)), pl.lit("PO").alias("route"),
        ),
        "mimiciv/hosp/prescriptions": keyed.with_columns(
            pl.lit("MAIN").alias("drug_type"), pl.Series("drug", drug), pl.lit("1").alias("dose_val_rx"),
            pl.lit("TAB").alias("dose_unit_rx"), pl.lit("PO").alias("route"),
        ),
        "mimiciv/hosp/emar": given,
        "mimiciv/hosp/emar_detail": given.select("subject_id", "emar_id", "emar_seq", "pharmacy_id").with_columns(
            pl.lit("1.1").alias("parent_field_ordinal"), pl.lit("1").alias("dose_given"),
            pl.lit("TAB").alias("dose_given_unit"),
        ),
    }  # fmt: skip


def _some(rng: np.random.Generator, chunk: Chunk, *, share: float) -> tuple[pl.DataFrame, np.ndarray]:
    """Keys of a random share of the admissions, and their rows."""
    rows = chunk.admissions
    row = np.flatnonzero(rng.random(len(rows.hadm_id)) < share)
    keys = {"subject_id": chunk.subjects.subject_id[rows.subject[row]], "hadm_id": rows.hadm_id[row]}
    return pl.DataFrame(keys), row


def _date(chunk: Chunk, row: np.ndarray) -> np.ndarray:
    return chunk.admissions.admittime[row].astype("datetime64[D]")
