"""Gates: an artefact is judged after it is written, and nothing downstream starts if a critical rule fails."""

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl

from medpatch.config.name import Modality
from medpatch.config.pipeline import PipelineConfig
from medpatch.contract.prediction import PREDICTION_SCHEMA
from medpatch.contract.tensor import MANIFEST, MANIFEST_SCHEMA
from medpatch.validate import judgement, parameter
from medpatch.validate.derive_prediction import prediction_frame
from medpatch.validate.derive_shard import shard_frame
from medpatch.validate.derive_tensor import manifest_frame
from medpatch.validate.engine import judge
from medpatch.validate.judgement import Judgement
from medpatch.validate.result import GateError, GateResult, failure_text, sentence
from medpatch.validate.source import has_table, open_parquet, open_table, read_channels
from medpatch.validate.suite import load_suite

__all__ = ["GateError", "GateResult", "gate_predictions", "gate_tensors", "gate_warehouse", "run_gate"]

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]


def run_gate(
    suite_name: str,
    frame: pd.DataFrame | pl.DataFrame | Path,
    *,
    parameters: Mapping[str, Any],
    artifact: str,
) -> GateResult:
    """The result of one suite; warnings are logged.

    Args:
        suite_name: file stem under expectations/.
        frame: the rows that the suite judges, or a Parquet file of them.
        parameters: values of the suite's `$PARAMETER`s, all of them and no other.
        artifact: name of what is judged, for messages and reports.

    Raises:
        ConfigError: no such suite, or parameters missing or unknown.
        GateError: (a ContractError) a critical expectation failed.
    """
    suite = load_suite(suite_name, parameters)
    rows = pd.read_parquet(frame) if isinstance(frame, Path) else frame
    return _settle([judge(suite, rows, artifact=artifact)])[0]


def gate_warehouse(
    warehouse_dir: Path, config: PipelineConfig, *, progress: Progress | None = None
) -> list[GateResult]:
    """Results for every mart table that Python reads; all are judged before anything is raised.

    A CXR or note table may be absent if its modality is not among `config.modality.modalities`.

    Args:
        warehouse_dir: folder of the Parquet tables.
        config: decides the task, window, modalities and limits.
        progress: called with (suites judged, suites in all).

    Raises:
        ContractError: a table is absent or has other columns or types than contract/table.py.
        GateError: a critical expectation failed.
    """
    optional = [t for t in judgement.TABLE_OF.values() if has_table(warehouse_dir, t)]
    names = dict.fromkeys([*judgement.required_tables(config), *optional])
    tables = {name: open_table(warehouse_dir, name) for name in names}
    steps: list[Callable[..., Judgement]] = [
        judgement.judge_stay,
        judgement.judge_attrition,
        judgement.judge_split,
        judgement.judge_label,
        partial(judgement.judge_event, channels=read_channels()),
    ]
    if "cxr_study" in tables:
        steps.append(judgement.judge_cxr)
    for modality in (Modality.RR, Modality.DN):
        if judgement.TABLE_OF[modality] in tables:
            steps.append(partial(judgement.judge_note, modality=modality))
    steps += [judgement.judge_index, judgement.judge_account]
    results = []
    for done, step in enumerate(steps, start=1):
        results.append(run_judgement(step(tables, config)))
        if progress is not None:
            progress(done, len(steps))
    return _settle(results)


def gate_tensors(tensor_dir: Path, config: PipelineConfig, *, progress: Progress | None = None) -> list[GateResult]:
    """Results for the manifest of the shards, and for a sample of stays read back from them.

    The sample is read only if the manifest passes.

    Args:
        tensor_dir: folder of the shards.
        config: decides window, modalities and limits.
        progress: called with (suites judged, suites in all).

    Raises:
        ContractError: the manifest or a shard is absent or of another shape than contract/tensor.py.
        GateError: a critical expectation failed.
    """
    manifest = open_parquet(tensor_dir / MANIFEST, MANIFEST_SCHEMA)
    frame = manifest_frame(manifest, tensor_dir, timestep_hours=config.cohort.timestep_hours)
    bound = parameter.tensor_parameters(config)
    listed = _settle([run_judgement(Judgement("stay_tensor", MANIFEST, frame, bound))])
    if progress is not None:
        progress(1, 2)
    sample = shard_frame(manifest, tensor_dir, channels=read_channels())
    read_back = _settle([run_judgement(Judgement("stay_shard", "shards", sample, {}))])
    if progress is not None:
        progress(2, 2)
    return listed + read_back


def gate_predictions(prediction_file: Path, config: PipelineConfig) -> list[GateResult]:
    """Results for the prediction table.

    Raises:
        ContractError: the file is absent or has other columns or types than contract/prediction.py.
        GateError: a critical expectation failed.
    """
    frame = prediction_frame(open_parquet(prediction_file, PREDICTION_SCHEMA))
    bound = parameter.prediction_parameters(config)
    return _settle([run_judgement(Judgement("prediction", prediction_file.name, frame, bound))])


def run_judgement(judged: Judgement) -> GateResult:
    """The result of one judgement; raises nothing for a rule that does not hold."""
    return judge(load_suite(judged.suite, judged.parameters), judged.frame, artifact=judged.artifact)


def _settle(results: Iterable[GateResult]) -> list[GateResult]:
    """Log the warnings, raise for the critical failures, else hand the results back.

    Raises:
        GateError: a critical expectation failed.
    """
    judged = list(results)
    for result in judged:
        for outcome in result.failed("warning"):
            found = sentence(outcome, unit=result.unit)
            logger.warning("%s: %s What to do: %s", result.artifact, found, result.remedy)
    failed = [result for result in judged if not result.is_passed]
    if failed:
        raise GateError("\n".join(failure_text(result) for result in failed), judged)
    return judged
