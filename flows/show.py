"""What a person finds in the Artifacts tab of a run: the cohort, the gates, the metrics, and where to go on."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.context import FlowRunContext

from flows.context import RunContext
from flows.record import MLFLOW, running_address
from medpatch.contract.table import warehouse_file
from medpatch.evaluate.name import title
from medpatch.track.find import run_page, table_page
from medpatch.track.run import TrackedRun

CRITERION = "stays that meet each criterion, one after the other"
DIGITS = 4
ACCOUNT = "rows read and kept, by source table and rule"


def show_cohort(run: RunContext) -> None:
    """Attrition and row accounting of the warehouse, as two tables; counts only."""
    if FlowRunContext.get() is None:
        return
    for name, text in (("cohort_attrition", CRITERION), ("row_account", ACCOUNT)):
        create_table_artifact(read_rows(run.warehouse_dir, name), key=name.replace("_", "-"), description=text)


def read_rows(warehouse_dir: Path, table: str) -> list[dict[str, Any]]:
    """The rows of a small table of counts."""
    return pq.read_table(warehouse_dir / warehouse_file(table)).to_pylist()


def show_result(run: RunContext, *, markdown: str, metrics: dict[str, dict[str, float]]) -> None:
    """The result table as the report prints it, and the same numbers as a table one can sort."""
    if FlowRunContext.get() is None:
        return
    about = f"test split, as the report prints it; {run.run_dir.name}"
    create_markdown_artifact(markdown, key="result-table", description=about)
    create_table_artifact(metric_rows(metrics), key="metrics", description="test split, every model on every stay")


def metric_rows(metrics: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    """One row per model with its overall numbers; those of single labels are left to the report."""
    columns = list(dict.fromkeys(name for numbers in metrics.values() for name in numbers if name.count("/") == 1))
    return [
        {"title": title(model), **{name.removeprefix("test/"): _rounded(numbers.get(name)) for name in columns}}
        | {"model": model}
        for model, numbers in metrics.items()
    ]


def _rounded(number: float | None) -> float | None:
    """As many digits as one reads; the report has all."""
    return None if number is None else round(number, DIGITS)


def show_links(run: RunContext, parent: TrackedRun) -> None:
    """Where the MLflow run, the report and the gates are."""
    if FlowRunContext.get() is None:
        return
    server = running_address(run.paths, MLFLOW)
    links = {
        "mlflow-run": ("this run in MLflow", run_page(parent, server=server)),
        "mlflow-table": ("all runs of this task in MLflow, with their results", table_page(parent, server=server)),
        "report": ("report", run_page(parent, server=server, below="/artifacts/report/index.html")),
    }
    for key, (text, page) in links.items():
        if page is not None:
            create_link_artifact(page, link_text=text, key=key, description=text)
    create_markdown_artifact(
        f"| what | where |\n|---|---|\n"
        f"| MLflow run | `{parent.run_id}` in `{run.paths.shown_tracking_uri}` |\n"
        f"| report | `{run.report_dir / 'index.html'}` |\n"
        f"| gates | `{run.paths.work_dir / 'gate' / 'index.html'}` |\n",
        key="where-to-look",
        description="folders of the MLflow run, the report and the gates",
    )
