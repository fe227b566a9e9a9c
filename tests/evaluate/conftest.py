"""Configurations with few resamples, and one report that many tests look at."""

from pathlib import Path

import pytest

from medpatch.config.name import Modality, Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.preset import tiny_in_hospital_mortality, tiny_phenotyping
from medpatch.config.train import EvaluateConfig
from medpatch.evaluate.report import EvaluateReport, evaluate_run

from .made_up import HISTORY, made_up_rows, write_manifest, write_marts, write_oracle, write_rows

STATEMENT = "Nothing here is about a real person."


def quick(config: PipelineConfig) -> PipelineConfig:
    """The configuration with few resamples and without discharge notes, which the made-up rows lack."""
    modality = config.modality.model_copy(update={"modalities": (Modality.EHR, Modality.CXR, Modality.RR)})
    return config.model_copy(update={"evaluate": EvaluateConfig(bootstrap_resamples=60), "modality": modality})


@pytest.fixture(scope="session")
def mortality() -> PipelineConfig:
    """One label."""
    return quick(tiny_in_hospital_mortality())


@pytest.fixture(scope="session")
def phenotyping() -> PipelineConfig:
    """25 labels."""
    return quick(tiny_phenotyping())


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory, phenotyping: PipelineConfig) -> EvaluateReport:
    """Everything a report can have: 25 labels, oracle, history, marts, made-up statement."""
    folder: Path = tmp_path_factory.mktemp("report")
    rows = made_up_rows(Task.PHENOTYPING)
    return evaluate_run(
        write_rows(rows, folder / "prediction"),
        folder / "report",
        phenotyping,
        inputs="made-up",
        oracle_dir=write_oracle(rows, folder / "oracle", task=Task.PHENOTYPING),
        histories=HISTORY,
        made_up=STATEMENT,
        warehouse_dir=write_marts(folder / "mart"),
        tensor_dir=write_manifest(rows, folder / "tensor"),
    )
