"""Great Expectations, quiet and offline: one pandas frame judged by one suite."""

import logging
import threading
import time
from collections.abc import Mapping
from functools import cache
from typing import Any

import pandas as pd
import polars as pl

from medpatch.config.path import switch_off_telemetry
from medpatch.validate.result import GateResult, Outcome
from medpatch.validate.suite import Suite, columns_of

FEW_BAD_ROWS = 20_000
"""Up to so many bad rows one of them is looked up by key; the look-up costs about 30 microseconds each."""
BAD_ROW_SUM = "expect_column_sum_to_be_between"
"""A rule over a column that counts bad rows: the sum it observes is the number of them."""

_one_at_a_time = threading.Lock()


def judge(suite: Suite, frame: pd.DataFrame | pl.DataFrame, *, artifact: str) -> GateResult:
    """Every outcome of a suite on a frame; raises nothing for a rule that does not hold.

    A column that the frame lacks makes the rules about it fail, with the column named.

    Args:
        suite: the suite, parameters filled in.
        frame: the rows it is meant for (see `Suite.judges`).
        artifact: name of what is judged, for messages and reports.
    """
    _batch_definition()  # the import takes seconds and is not the suite's
    began = time.perf_counter()
    rows = frame.to_pandas() if isinstance(frame, pl.DataFrame) else frame
    computable = [e for e in suite.expectations if not _absent_columns(e, rows)]
    with _one_at_a_time:
        found = _validate(
            suite.name, computable, rows=rows, result_format={"result_format": "BASIC", "partial_unexpected_count": 0}
        )
        keys = _first_bad_keys(suite, computable, rows=rows, found=found)
    outcomes = tuple(
        _outcome(
            e, found.get(e["meta"]["name"]), first_bad=keys.get(e["meta"]["name"], ""), absent=_absent_columns(e, rows)
        )
        for e in suite.expectations
    )
    return GateResult(
        suite=suite.name,
        artifact=artifact,
        judges=suite.judges,
        remedy=suite.remedy,
        rows=len(rows),
        seconds=time.perf_counter() - began,
        outcomes=outcomes,
        unit=suite.unit,
    )


@cache
def _batch_definition() -> Any:
    switch_off_telemetry()
    logging.getLogger("great_expectations").setLevel(logging.WARNING)  # before the import, which logs a lot
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    # no docs site: it would leave a temporary folder behind
    stores = InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
    context = gx.get_context(mode="ephemeral", project_config=DataContextConfig(store_backend_defaults=stores))
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("frames").add_dataframe_asset("frame")
    return asset.add_batch_definition_whole_dataframe("whole")


def _validate(
    name: str, expectations: list[Mapping[str, Any]], *, rows: pd.DataFrame, result_format: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """GX results by the expectation's own name; GX returns them in another order."""
    if not expectations:
        return {}
    definition = _batch_definition()
    import great_expectations as gx

    suite = gx.ExpectationSuite(name=name, expectations=[dict(e) for e in expectations])
    batch = definition.get_batch(batch_parameters={"dataframe": rows})
    results = batch.validate(suite, result_format=result_format).results
    return {r.expectation_config.meta["name"]: r.to_json_dict() for r in results}


def _first_bad_keys(
    suite: Suite,
    expectations: list[Mapping[str, Any]],
    *,
    rows: pd.DataFrame,
    found: Mapping[str, dict[str, Any]],
) -> dict[str, str]:
    """Key of one bad row for each row-wise rule that few rows break.

    A warning is logged and the run goes on, so it may name a channel or a label but no patient.
    """
    is_about_patients = any(column.endswith("_id") for column in suite.key)
    broken = [
        e
        for e in expectations
        if (e["severity"] == "critical" or not is_about_patients)
        and not found[e["meta"]["name"]]["success"]
        and 0 < found[e["meta"]["name"]]["result"].get("unexpected_count", 0) <= FEW_BAD_ROWS
    ]
    if not suite.key or not broken:
        return {}
    wanted = {
        "result_format": "SUMMARY",
        "partial_unexpected_count": 1,
        "unexpected_index_column_names": list(suite.key),
    }
    keys = {}
    for name, result in _validate(suite.name, broken, rows=rows, result_format=wanted).items():
        first = next(iter(result["result"].get("partial_unexpected_index_list") or []), {})
        keys[name] = ", ".join(f"{column} {first[column]}" for column in suite.key if column in first)
    return keys


def _absent_columns(expectation: Mapping[str, Any], rows: pd.DataFrame) -> tuple[str, ...]:
    return tuple(c for c in columns_of(expectation) if c not in rows.columns)


def _outcome(
    expectation: Mapping[str, Any], found: Mapping[str, Any] | None, *, first_bad: str, absent: tuple[str, ...]
) -> Outcome:
    result = found["result"] if found else {}
    bad = result.get("unexpected_count")
    if expectation["type"] == BAD_ROW_SUM and "observed_value" in result:
        bad = int(result["observed_value"] or 0)
    problem = f"no column {', '.join(absent)}" if absent else ""
    if not problem and not result:
        problem = "the rule could not be computed on this frame; are the column types as the contract says?"
    meta = expectation["meta"]
    return Outcome(
        name=meta["name"],
        rule=expectation["type"],
        columns=columns_of(expectation),
        why=meta["why"],
        source=meta.get("source", ""),
        severity=expectation["severity"],
        is_met=bool(found and found["success"]),
        checked_count=result.get("element_count"),
        bad_count=bad,
        first_bad=first_bad,
        problem=problem,
    )
