"""Configurations with few resamples, and one report that many tests look at."""

from pathlib import Path

import numpy as np
import pytest

from medpatch.config.name import Modality, Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.preset import tiny_in_hospital_mortality, tiny_phenotyping
from medpatch.config.train import EvaluateConfig
from medpatch.contract.confidence import ConfidenceReport, measure_confidence
from medpatch.evaluate.fact import RunFacts, TestRead
from medpatch.evaluate.report import EvaluateReport, evaluate_run

from .made_up import (
    HISTORY,
    MODALITIES,
    add_drops,
    made_up_rows,
    write_manifest,
    write_marts,
    write_oracle,
    write_rows,
    write_stays,
)

STATEMENT = "Nothing here is about a real person."


READ = TestRead(time="2030-01-02T03:04:05+00:00", step="report", run="0123456789ab", stays=120)
FACTS = RunFacts(
    preset="tiny_phenotyping", run="0123456789ab", data="ba9876543210", commit="c0ffee", seeds=(1002,), reads=(READ,)
)


def confidence_reports(config: PipelineConfig) -> tuple[ConfidenceReport, ...]:
    """Tokens whose logits carry some of the label, too sure by half."""
    random, count = np.random.default_rng(3), len(config.labels)
    label = (random.random((400, count)) < 0.3).astype(int)
    logit = 2 * (label - 0.5 + random.normal(size=label.shape))
    temperature = np.full(count, 2.0)
    labels = measure_confidence(
        logit,
        label,
        scaled=logit / 2,
        is_high=np.abs(logit) > 2,
        temperature=temperature,
        prior_logit=np.full(count, np.log(0.3 / 0.7)),
        label_names=config.labels,
    )
    return tuple(ConfidenceReport(modality=m, stays=80, labels=labels) for m in MODALITIES)


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
    rows = add_drops(made_up_rows(Task.PHENOTYPING))
    write_stays(rows, folder / "mart")
    return evaluate_run(
        write_rows(rows, folder / "prediction"),
        folder / "report",
        config=phenotyping,
        inputs="made-up",
        oracle_dir=write_oracle(rows, folder / "oracle", task=Task.PHENOTYPING),
        histories=HISTORY,
        confidence=confidence_reports(phenotyping),
        facts=FACTS,
        made_up=STATEMENT,
        warehouse_dir=write_marts(folder / "mart"),
        tensor_dir=write_manifest(rows, folder / "tensor"),
    )
