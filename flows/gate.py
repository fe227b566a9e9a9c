"""A gate's outcome kept beside what it judged and shown in the Prefect page."""

import json
import logging
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from prefect.artifacts import create_markdown_artifact
from prefect.context import FlowRunContext

from flows.ensure import ensure
from flows.progress import Advance, progress_bar
from medpatch.config.code import GATE_CODE
from medpatch.contract.artifact import writing
from medpatch.validate.gate import GateError, GateResult
from medpatch.validate.index import write_index
from medpatch.validate.report import to_json, to_markdown, write_validation_report

logger = logging.getLogger(__name__)


def publish_gate(target: Path, *, judge: Callable[[Advance], list[GateResult]], inputs: str, key: str) -> None:
    """Judge unless this very content passed before; write JSON, Markdown and a page; show the table.

    The page of all gates, WORK/gate/index.html, is written anew.

    `judge` is handed a callback (suites judged, suites in all), which moves a progress bar.

    The outcome of a failed gate is kept too, in a folder whose name ends in "_failed", until the gate passes.

    Raises:
        GateError: a critical expectation failed.
    """

    def judge_and_keep() -> None:
        try:
            with progress_bar(f"judging, {key.replace('-', ' ')}") as progress:
                results = judge(progress)
        except GateError as error:
            failed = target.with_name(f"{target.name}_failed")
            _write(failed, error.results, inputs=inputs)
            _show(failed, key=key)
            logger.error("gate failed; every outcome is in %s", failed / "gate.html")
            raise
        shutil.rmtree(target.with_name(f"{target.name}_failed"), ignore_errors=True)
        _write(target, results, inputs=inputs)

    ensure(target, inputs=inputs, packages=GATE_CODE, make=judge_and_keep)
    _show(target, key=key)


def _write(target: Path, results: Sequence[GateResult], *, inputs: str) -> None:
    with writing(target, inputs=inputs, packages=GATE_CODE) as aside:
        (aside / "gate.json").write_text(json.dumps(to_json(results), indent=1))
        (aside / "gate.md").write_text(to_markdown(results))
        write_validation_report(results, aside / "gate.html")
    write_index(target.parents[1])


def _show(target: Path, *, key: str) -> None:
    if FlowRunContext.get() is not None:
        text = (target / "gate.md").read_text()
        create_markdown_artifact(text, key=key, description="what was expected of the data, and what broke it")
