"""The experiment of a task: found or made, with a description and a table of its runs that shows what one compares."""

import base64
import json
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # importing mlflow takes two seconds, so it waits until a run is opened
    from mlflow import MlflowClient
    from mlflow.entities import Experiment

PREFIX = "medpatch/"
VIEW = "medpatch"
"""Name of the table of runs, as it stands in an address of MLflow's page."""
WORKFLOW = "workflowType=machine_learning"
"""Part of an address: MLflow's page for trained models, and not the one for language models."""
VIEW_TAG = f"mlflow.sharedViewState.{VIEW}"
COLUMNS = (
    "metrics.`test/auroc`",
    "metrics.`test/auprc`",
    "metrics.`test/brier`",
    "tags.`model_title`",
    "attributes.`Duration`",
    "tags.`modalities`",
    "tags.`arm`",
    "tags.`made_up`",
    "tags.`git_dirty`",
)
NOTE = (
    "One run per pipeline run; below it one per step and model. [Table of the runs with their results]({page}): "
    "compare `test/auroc` of the parents; `gate.*` says how the data were judged; the report is among the artifacts."
)


def ensure_experiment(client: "MlflowClient", task: str, *, artifact_uri: str | None) -> str:
    """Id of the experiment of a task; a deleted one is restored.

    Args:
        client: of the store.
        task: what its runs predict.
        artifact_uri: where artifacts of a new one go; None where a server decides.
    """
    from mlflow.exceptions import MlflowException

    name = f"{PREFIX}{task}"
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            client.create_experiment(name, artifact_location=artifact_uri)
            found = client.get_experiment_by_name(name)
        except MlflowException:  # another process made it in between
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    _describe(client, found)
    return found.experiment_id


def runs_page(base: str, experiment_id: str) -> str:
    """Address of the table of runs below a server's address; the empty one for a link within a page."""
    return f"{base}#/experiments/{experiment_id}/runs?{WORKFLOW}&viewStateShareKey={VIEW}"


def _describe(client: "MlflowClient", experiment: "Experiment") -> None:
    """Tags that the page reads; those that are there stay as they are, a person may have changed them."""
    tags = {
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.note.content": NOTE.format(page=runs_page("", experiment.experiment_id)),
        VIEW_TAG: _view(),
    }
    for key, value in tags.items():
        if key not in experiment.tags:
            client.set_experiment_tag(experiment.experiment_id, key, value)


def _view() -> str:
    """The table's state in the form in which MLflow 3.17 keeps one that a person saved: columns, newest run first."""
    state = {
        "searchFilter": "",
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": list(COLUMNS),
        "columnOrder": [],
        "columnWidths": {},
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsVisibilityMap": {},
        "runsHiddenMode": "FIRST_10_RUNS",
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": False,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": None,
        "groupsExpanded": {},
        "autoRefreshEnabled": True,
        "globalLineChartConfig": {"xAxisKey": "step", "lineSmoothness": 0, "selectedXAxisMetricKey": ""},
    }
    return "deflate;" + base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
