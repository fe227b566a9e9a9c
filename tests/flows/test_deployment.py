"""prefect.yaml names flows that exist, with parameters that they accept."""

import importlib
from typing import Any

import pytest
import yaml
from prefect import Flow

from medpatch.config.path import REPOSITORY_DIR

DEPLOYMENTS = yaml.safe_load((REPOSITORY_DIR / "prefect.yaml").read_text())["deployments"]


def _flow(deployment: dict[str, Any]) -> Flow:
    file, name = deployment["entrypoint"].split(":")
    return getattr(importlib.import_module(file.removesuffix(".py").replace("/", ".")), name)


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda d: d["name"])
def test_entrypoint_is_a_flow_that_accepts_the_parameters(deployment: dict[str, Any]) -> None:
    flow = _flow(deployment)
    assert isinstance(flow, Flow)
    assert flow.validate_parameters(deployment["parameters"])


def test_the_documented_deployments_exist() -> None:
    names = {f"{_flow(d).name}/{d['name']}" for d in DEPLOYMENTS}
    stages = {f"{stage}/{stage}" for stage in ("extract", "align", "train", "evaluate")}
    assert {"medpatch/full-pipeline", "data-refresh/nightly", "leaderboard/all-models", *stages} <= names


def test_the_refresh_is_scheduled() -> None:
    nightly = next(d for d in DEPLOYMENTS if d["name"] == "nightly")
    assert [s["cron"] for s in nightly["schedules"] if s["active"]]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda d: d["name"])
def test_a_wrong_preset_is_refused_before_the_run(deployment: dict[str, Any]) -> None:
    with pytest.raises(Exception, match="preset"):
        _flow(deployment).validate_parameters({"preset": "nonsense"})
