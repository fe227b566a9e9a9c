"""A finished report read back; loads nothing that only making one needs, so that a run with nothing to do is short."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medpatch.config.error import ContractError

if TYPE_CHECKING:
    from medpatch.evaluate.terminal import ResultTable

METRICS, RESULT = "metrics.json", "result.json"


def read_table(report_dir: Path) -> "ResultTable":
    """The result table of a finished report, for rich's console.

    Raises:
        ContractError: no finished report is there.
    """
    from medpatch.evaluate.terminal import from_json

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
