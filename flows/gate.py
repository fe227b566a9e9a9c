"""A gate's outcome kept beside what it judged and shown in the Prefect page."""

import json
from collections.abc import Callable
from pathlib import Path

from prefect.artifacts import create_markdown_artifact
from prefect.context import FlowRunContext

from medpatch.contract.artifact import is_current, writing
from medpatch.validate.gate import GateResult
from medpatch.validate.report import to_json, to_markdown, write_validation_report

GATE_CODE = ("validate", "expectations")


def publish_gate(target: Path, *, judge: Callable[[], list[GateResult]], inputs: str, key: str) -> None:
    """Judge unless this very content passed before; write JSON, Markdown and a page; show the table.

    Raises:
        ContractError: a critical expectation failed.
    """
    if not is_current(target, inputs=inputs, packages=GATE_CODE):
        results = judge()
        with writing(target, inputs=inputs, packages=GATE_CODE) as aside:
            (aside / "gate.json").write_text(json.dumps(to_json(results), indent=1))
            (aside / "gate.md").write_text(to_markdown(results))
            write_validation_report(results, aside / "gate.html")
    if FlowRunContext.get() is not None:
        create_markdown_artifact((target / "gate.md").read_text(), key=key)
