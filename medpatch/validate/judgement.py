"""What is judged after each step: which suite, on which frame, with which limits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from medpatch.config.name import MORTALITY_LABEL, Modality, Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.contract.table import warehouse_file
from medpatch.validate import derive, parameter
from medpatch.validate.derive_event import event_counts, event_frame, stay_counts

TABLE_OF = {Modality.CXR: "cxr_study", Modality.RR: "radiology_report", Modality.DN: "discharge_note"}
"""The mart table of each modality that has one row per item."""
LABEL_TABLE_OF = {
    Task.IN_HOSPITAL_MORTALITY: "label_in_hospital_mortality",
    Task.PHENOTYPING: "label_phenotype",
}


@dataclass(frozen=True)
class Judgement:
    """One suite to be run.

    Attributes:
        suite: name of the suite.
        artifact: what is judged, for messages and reports.
        frame: the rows that the suite is meant for.
        parameters: values of the suite's parameters.
    """

    suite: str
    artifact: str
    frame: pl.DataFrame
    parameters: Mapping[str, Any]


def required_tables(config: PipelineConfig) -> tuple[str, ...]:
    """Tables that must be there for a configuration; item tables only of its modalities."""
    items = tuple(table for modality, table in TABLE_OF.items() if modality in config.modality.modalities)
    label = LABEL_TABLE_OF[config.cohort.task]
    return ("stay", "cohort_attrition", "subject_split", label, "ehr_event", *items, "stay_index", "row_account")


def judge_stay(tables: Mapping[str, pl.LazyFrame], config: PipelineConfig) -> Judgement:
    """The cohort."""
    return _of_table("stay", derive.stay_frame(tables["stay"]), parameters=parameter.stay_parameters(config))


def judge_attrition(tables: Mapping[str, pl.LazyFrame], config: PipelineConfig) -> Judgement:
    """The flow chart of the cohort."""
    return _of_table("cohort_attrition", derive.attrition_frame(tables["cohort_attrition"]), parameters={})


def judge_account(tables: Mapping[str, pl.LazyFrame], config: PipelineConfig) -> Judgement:
    """What became of the rows of each raw table."""
    return _of_table("row_account", derive.account_frame(tables["row_account"]), parameters={})


def judge_split(tables: Mapping[str, pl.LazyFrame], config: PipelineConfig) -> Judgement:
    """The split of the subjects."""
    frame = derive.split_frame(tables["subject_split"], tables["stay"])
    return _of_table("subject_split", frame, parameters=parameter.split_parameters(config.split, subjects=len(frame)))


def judge_label(tables: Mapping[str, pl.LazyFrame], config: PipelineConfig) -> Judgement:
    """The labels of the task."""
    table = LABEL_TABLE_OF[config.cohort.task]
    if config.cohort.task is Task.PHENOTYPING:
        label = tables[table].rename({"phenotype": "label_name"})
    else:
        label = tables[table].with_columns(pl.lit(MORTALITY_LABEL).alias("label_name"))
    frame = derive.label_frame(label, tables["stay_index"])
    return Judgement("label", warehouse_file(table), frame, parameter.label_parameters(config))


def judge_event(tables: Mapping[str, pl.LazyFrame], config: PipelineConfig, *, channels: pl.DataFrame) -> Judgement:
    """The measurements."""
    frame = event_frame(tables["ehr_event"], _windows(tables, config), channels=channels)
    return _of_table("ehr_event", frame, parameters=parameter.event_parameters(channels))


def judge_cxr(tables: Mapping[str, pl.LazyFrame], config: PipelineConfig) -> Judgement:
    """The chosen images."""
    frame = derive.cxr_frame(tables["cxr_study"], tables["stay"], windows=_windows_to_outtime(tables, config))
    return _of_table("cxr_study", frame, parameters=parameter.cxr_parameters(config))


def judge_note(tables: Mapping[str, pl.LazyFrame], config: PipelineConfig, *, modality: Modality) -> Judgement:
    """The chosen notes of one kind."""
    table = TABLE_OF[modality]
    frame = derive.note_frame(tables[table], tables["stay"], windows=_windows_to_outtime(tables, config))
    bound = parameter.note_parameters(config, modality=modality)
    return Judgement("note", warehouse_file(table), frame, bound)


def judge_index(tables: Mapping[str, pl.LazyFrame], config: PipelineConfig) -> Judgement:
    """The samples of the task, and whether the other tables hold what they promise."""
    own = tables["stay_index"].select("stay_id", "window_hours").unique("stay_id")
    counts = {str(Modality.EHR): event_counts(tables["ehr_event"], own)}
    for modality, table in TABLE_OF.items():
        counts[str(modality)] = stay_counts(tables[table]) if table in tables else _nothing_counted()
    frame = derive.index_frame(tables["stay_index"], tables["stay"], split=tables["subject_split"], counts=counts)
    return _of_table("stay_index", frame, parameters=parameter.index_parameters(config))


def _of_table(suite: str, frame: pl.DataFrame, *, parameters: Mapping[str, Any]) -> Judgement:
    return Judgement(suite, warehouse_file(suite), frame, parameters)


def _windows_to_outtime(tables: Mapping[str, pl.LazyFrame], config: PipelineConfig) -> pl.LazyFrame:
    """Where the whole stay is watched, images and notes are taken up to outtime, whatever length is recorded."""
    return derive.stay_windows(tables["stay"], tables["stay_index"].head(0), window_hours=config.cohort.window_hours)


def _windows(tables: Mapping[str, pl.LazyFrame], config: PipelineConfig) -> pl.LazyFrame:
    return derive.stay_windows(tables["stay"], tables["stay_index"], window_hours=config.cohort.window_hours)


def _nothing_counted() -> pl.LazyFrame:
    return pl.LazyFrame(schema={"stay_id": pl.Int64, "found": pl.Int64})
