"""Suite parameters bound from one configuration: the limits that a run decides."""

import math
from typing import Any

import polars as pl

from medpatch.config.cohort import Correction, SplitConfig
from medpatch.config.name import Modality, Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.validate.derive import EDGE_HOURS, TWO_YEARS_HOURS

TEN_YEARS_HOURS = 87_600.0
"""Notes of an admission may lie far from the ICU stay, not a decade."""
CHANCE = 4.0
"""Standard errors by which a share may miss its target before it is remarkable."""
NOTE_ORIGIN = {
    Modality.RR: ("note/radiology", "sql/5_modality/radiology_report.sql"),
    Modality.DN: ("note/discharge", "sql/5_modality/discharge_note.sql"),
}
"""Raw file of the notes, without its suffix, and the query that chooses among them."""
MANY_TOKENS = 10_000_000
MANY_NOTES = 1_000_000_000
PREVALENCE = {Task.IN_HOSPITAL_MORTALITY: (0.01, 0.5), Task.PHENOTYPING: (0.001, 0.85)}
"""Bounds that every full MIMIC-IV release keeps: mortality about 0.12, conditions about 0.02 to 0.6."""


def stay_parameters(config: PipelineConfig) -> dict[str, Any]:
    """Limits of the cohort table."""
    return {"min_age_years": config.cohort.min_age_years}


def event_parameters(channels: pl.DataFrame) -> dict[str, Any]:
    """The channels that events may name, from the seed file."""
    return {"variables": channels["variable"].to_list()}


def cxr_parameters(config: PipelineConfig) -> dict[str, Any]:
    """The projection that images must have."""
    return {"view_position": config.cohort.view_position}


def note_parameters(config: PipelineConfig, *, modality: Modality) -> dict[str, Any]:
    """When notes may have been written, hours after intime and before the window's end, and how many there may be.

    Where the whole stay is watched, every report of the admission is taken unless a correction or an arm says
    otherwise, and so is the discharge note, which is written at its end: one without a time is then only a warning.
    So is a report that is joined twice where the published extraction does so.
    """
    window = config.cohort.window_hours
    is_limited = modality is Modality.RR and Correction.REPORT_WINDOW in config.corrections
    is_known = modality is Modality.RR and Correction.REPORT_KNOWN in config.corrections
    is_forbidden = modality is Modality.DN and config.cohort.task is Task.IN_HOSPITAL_MORTALITY
    raw_file, query = NOTE_ORIGIN[modality]
    is_once = Correction.NOTE_ONCE in config.corrections
    return {
        "raw_file": raw_file,
        "query": query,
        "undated_severity": "critical" if window is not None or is_limited else "warning",
        "repeated_severity": "critical" if is_once else "warning",
        "note_from_hours": -TEN_YEARS_HOURS if window is None else -EDGE_HOURS,
        "note_to_hours": TEN_YEARS_HOURS if window is None else window + EDGE_HOURS,
        # with a fixed window, note_to_hours says the same
        "hours_to_window_end": -EDGE_HOURS if window is None and is_limited else -TEN_YEARS_HOURS,
        "stored_hours_to_window_end": -EDGE_HOURS if is_known else -TEN_YEARS_HOURS,
        "max_rows": 0 if is_forbidden else MANY_NOTES,
    }


def label_parameters(config: PipelineConfig) -> dict[str, Any]:
    """Names and number of the K labels and the prevalence that they may have."""
    low, high = PREVALENCE[config.cohort.task]
    return {
        "label_names": list(config.labels),
        "label_count": len(config.labels),
        "prevalence_low": low,
        "prevalence_high": high,
    }


def index_parameters(config: PipelineConfig) -> dict[str, Any]:
    """Length of the window and whether discharge notes are allowed."""
    is_allowed = config.cohort.task is not Task.IN_HOSPITAL_MORTALITY
    return {**_window_bounds(config), "dn_count_high": MANY_NOTES if is_allowed else 0}


def split_parameters(split: SplitConfig, *, subjects: int) -> dict[str, Any]:
    """Shares of subjects that chance allows around the configured ones; any share if lists decide."""
    bounds: dict[str, Any] = {}
    for name, fraction in (("val", split.val_fraction), ("test", split.test_fraction)):
        slack = CHANCE * math.sqrt(fraction * (1 - fraction) / max(subjects, 1))
        is_listed = split.list_dir is not None or split.follows_mimic_cxr
        bounds[f"{name}_share_low"] = 0.0 if is_listed else max(0.0, fraction - slack)
        bounds[f"{name}_share_high"] = 1.0 if is_listed else min(1.0, fraction + slack)
    return bounds


def tensor_parameters(config: PipelineConfig) -> dict[str, Any]:
    """Lengths, sizes and modalities that the shards of this configuration have."""
    chosen = config.modality
    longest = None if chosen.note_max_chunks is None else chosen.note_chunk_tokens * chosen.note_max_chunks
    presence = {
        f"has_{modality}_allowed": [True, False] if modality in chosen.modalities else [False] for modality in Modality
    }
    return {
        **_window_bounds(config),
        **presence,
        "label_count": len(config.labels),
        "image_size_px": chosen.image_size_px,
        "note_tokens_high": MANY_TOKENS if longest is None else longest,
    }


def prediction_parameters(config: PipelineConfig) -> dict[str, Any]:
    """Names and number of the K labels."""
    return {"label_names": list(config.labels), "label_count": len(config.labels)}


def _window_bounds(config: PipelineConfig) -> dict[str, Any]:
    window = config.cohort.window_hours
    if window is None:
        return {"window_hours_low": 0.0, "window_hours_high": TWO_YEARS_HOURS}
    return {"window_hours_low": window - EDGE_HOURS, "window_hours_high": window + EDGE_HOURS}
