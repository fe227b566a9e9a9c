"""Suites are read whole or refused with the file and the reason."""

import json
from pathlib import Path

import pytest

from medpatch.config.error import ConfigError
from medpatch.validate.suite import load_suite, read_suite, suite_names

RULE = {
    "type": "expect_column_values_to_be_between",
    "kwargs": {"column": "age_years", "min_value": {"$PARAMETER": "youngest"}},
    "severity": "critical",
    "meta": {"name": "old_enough", "why": "Children are not in the study."},
}


def write(folder: Path, *expectations: dict, name: str = "made_up", **more: object) -> Path:
    suite = {
        "name": name,
        "judges": "rows",
        "unit": "rows",
        "remedy": "look",
        "key": [],
        "expectations": list(expectations),
    }
    (folder / "made_up.json").write_text(json.dumps(suite | more))
    return folder


def test_a_parameter_becomes_its_value(tmp_path: Path) -> None:
    suite = load_suite("made_up", {"youngest": 18}, folder=write(tmp_path, RULE))
    assert suite.expectations[0]["kwargs"] == {"column": "age_years", "min_value": 18}


def test_a_parameter_may_be_a_severity_and_stand_in_the_remedy(tmp_path: Path) -> None:
    rule = RULE | {"severity": {"$PARAMETER": "how_bad"}}
    folder = write(tmp_path, rule, remedy="look at {raw_file}")

    suite = load_suite("made_up", {"youngest": 18, "how_bad": "warning", "raw_file": "hosp/patients"}, folder=folder)

    assert suite.expectations[0]["severity"] == "warning"
    assert suite.remedy == "look at hosp/patients"
    with pytest.raises(ConfigError, match=r"parameters missing \['raw_file'\]"):
        load_suite("made_up", {"youngest": 18, "how_bad": "warning"}, folder=folder)
    with pytest.raises(ConfigError, match=r"made_up.json, expectation 0: severity 'fatal' is not one of"):
        load_suite("made_up", {"youngest": 18, "how_bad": "fatal", "raw_file": "x"}, folder=folder)


def test_a_missing_parameter_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"made_up.json: parameters missing \['youngest'\]"):
        load_suite("made_up", {}, folder=write(tmp_path, RULE))


def test_an_unknown_parameter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown \['oldest'\]; it takes \['youngest'\]"):
        load_suite("made_up", {"youngest": 18, "oldest": 90}, folder=write(tmp_path, RULE))


def test_an_unknown_suite_is_answered_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no such suite; there are .*stay_index"):
        load_suite("stays", {})


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"severity": "fatal"}, "severity 'fatal'"),
        ({"meta": {"name": "old_enough"}}, "meta with name and why"),
        ({"meta": {**RULE["meta"], "owner": "me"}}, "meta may hold name, why and source"),
        ({"note": "x"}, "needs type, kwargs, severity"),
    ],
)
def test_a_malformed_expectation_is_refused(rule: dict, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"made_up.json, expectation 0: .*{message}"):
        read_suite("made_up", folder=write(tmp_path, RULE | rule))


def test_two_expectations_may_not_share_a_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expectation 1: the name 'old_enough' is taken"):
        read_suite("made_up", folder=write(tmp_path, RULE, RULE))


def test_a_suite_must_bear_the_name_of_its_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name 'made_up'"):
        read_suite("made_up", folder=write(tmp_path, RULE, name="other"))


def test_text_that_is_not_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "made_up.json").write_text("{")
    with pytest.raises(ConfigError, match="made_up.json: not valid JSON"):
        read_suite("made_up", folder=tmp_path)


def test_limits_that_a_clinician_would_question_give_a_source() -> None:
    sourced = {
        "stay": "age_is_humanly_possible",
        "ehr_event": "values_are_plausible",
        "label": "prevalence_is_plausible",
    }
    for suite, name in sourced.items():
        found = {e["meta"]["name"]: e["meta"] for e in read_suite(suite)["expectations"]}
        assert found[name]["source"]


def test_every_suite_can_be_read() -> None:
    assert all(read_suite(name)["expectations"] for name in suite_names())
