"""A run's report: made from its predictions, and read back."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medpatch.config.error import ContractError
from medpatch.config.pipeline import PipelineConfig
from medpatch.contract.confidence import ConfidenceReport
from medpatch.evaluate.fact import RunFacts
from medpatch.evaluate.figure_history import History
from medpatch.evaluate.name import TASK_WORDS
from medpatch.evaluate.report_folder import METRICS, RESULT, EvaluateReport, Material, Progress, evaluate_runs
from medpatch.evaluate.terminal import ResultTable, from_json


def evaluate_run(
    predictions_path: Path,
    out_dir: Path,
    *,
    config: PipelineConfig,
    inputs: str,
    oracle_dir: Path | None = None,
    histories: History = (),
    confidence: Sequence[ConfidenceReport] = (),
    made_up: str | None = None,
    warehouse_dir: Path | None = None,
    tensor_dir: Path | None = None,
    facts: RunFacts | None = None,
    progress: Progress | None = None,
) -> EvaluateReport:
    """Judge the test split of one run and write the report folder, whole or not at all.

    Args:
        predictions_path: predictions.parquet with the splits val and test.
        out_dir: folder to make.
        config: of the run.
        inputs: digest of predictions and configuration.
        oracle_dir: this and the following as in `Material`.
        histories: of training.
        confidence: of the tokens.
        made_up: what is invented about the data.
        warehouse_dir: mart tables.
        tensor_dir: shards.
        facts: where the numbers come from.
        progress: called with (steps done, steps).

    Raises:
        ContractError: predictions are absent, not whole, NaN, of an empty split or of other stays.
    """
    return evaluate_runs(
        {predictions_path.parent.parent.name: predictions_path},
        out_dir,
        config=config,
        inputs=inputs,
        title=f"MedPatch: {TASK_WORDS[config.cohort.task]}",
        material=Material(
            oracle_dir=oracle_dir,
            histories=histories,
            confidence=confidence,
            made_up=made_up,
            warehouse_dir=warehouse_dir,
            tensor_dir=tensor_dir,
            facts=facts,
        ),
        progress=progress,
    )


def read_table(report_dir: Path) -> ResultTable:
    """The result table of a finished report, for rich's console.

    Raises:
        ContractError: no finished report is there.
    """
    return from_json(_load(report_dir / RESULT)["terminal"])


def read_markdown(report_dir: Path) -> str:
    """The result table of a finished report in Markdown; errors as `read_table`."""
    return _load(report_dir / RESULT)["markdown"]


def read_metrics(report_dir: Path) -> dict[str, dict[str, float]]:
    """Model name -> numbers by tracking name, from a finished report; errors as `read_table`."""
    return _load(report_dir / METRICS)["flat"]


def _load(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ContractError(f"{path}: no finished report ({error}); run the evaluate step") from error
