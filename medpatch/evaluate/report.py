"""A run's report, made from its predictions."""

from collections.abc import Sequence
from pathlib import Path

from medpatch.config.pipeline import PipelineConfig
from medpatch.contract.confidence import ConfidenceReport
from medpatch.evaluate.fact import RunFacts
from medpatch.evaluate.figure_history import History
from medpatch.evaluate.name import TASK_WORDS
from medpatch.evaluate.report_folder import EvaluateReport, Material, Progress, evaluate_runs


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
