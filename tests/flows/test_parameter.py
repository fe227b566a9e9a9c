"""Forms know every field, and wrong values are refused before a run."""

import pytest
from prefect.exceptions import ParameterTypeError
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import validate

from flows.leaderboard import leaderboard
from flows.parameter import field_schemas, known_fields
from flows.pipeline import full_pipeline
from medpatch.config.preset import in_hospital_mortality

SCHEMA = parameter_schema(full_pipeline).model_dump_for_openapi()


def _complaints(**parameters: object) -> bool:
    """True if the server would refuse these parameters."""
    try:
        validate(parameters, SCHEMA, raise_on_error=True, ignore_required=True)
    except Exception:
        return True
    return False


def test_the_form_says_of_every_parameter_what_it_is_and_ends_with_the_many_fields() -> None:
    shown = sorted(SCHEMA["properties"].values(), key=lambda parameter: parameter["position"])
    assert [parameter["title"] for parameter in shown if not parameter.get("description")] == []
    assert [parameter["title"] for parameter in shown][-1] == "overrides"
    assert "first 48 h" in shown[0]["description"]


def test_the_form_of_the_leaderboard_names_the_choices() -> None:
    shown = parameter_schema(leaderboard).model_dump_for_openapi()["properties"]
    assert "boosted_trees" in shown["models"]["description"]
    assert shown["seeds"]["minimum"] == 1


def test_the_form_has_exactly_the_fields_that_mlflow_shows() -> None:
    assert set(field_schemas()) == set(in_hospital_mortality().flatten())


def test_a_field_of_the_form_has_its_type_limit_and_no_default() -> None:
    seed = field_schemas()["train.seed"]
    assert (seed["type"], seed["minimum"]) == ("integer", 0)
    assert "default" not in seed


def test_no_field_is_a_switch_which_the_form_would_send_untouched() -> None:
    schemas = field_schemas()
    assert [name for name, schema in schemas.items() if schema.get("type") == "boolean"] == []
    assert schemas["train.fine_tune"]["enum"] == [True, False]
    assert not _complaints(overrides={"train.fine_tune": True})
    assert _complaints(overrides={"train.fine_tune": "perhaps"})


def test_the_defaults_of_the_form_can_be_sent_as_they_are() -> None:
    defaults = {name: shown["default"] for name, shown in SCHEMA["properties"].items() if "default" in shown}
    assert set(defaults) == set(SCHEMA["properties"])
    assert not _complaints(**defaults)


@pytest.mark.parametrize(
    "wrong",
    [
        {"preset": "nonsense"},
        {"overrides": {"train.sed": 1}},
        {"overrides": {"train.batch_size": 0}},
        {"overrides": {"cohort.profile": "improved"}},
        {"refresh": ["everything"]},
        {"runner": {"runner": "spark"}},
        {"runner": {"workers": 0}},
    ],
    ids=lambda wrong: str(wrong)[:40],
)
def test_a_wrong_value_is_refused_by_the_schema(wrong: dict) -> None:
    assert _complaints(**wrong)


def test_right_values_pass_the_schema() -> None:
    assert not _complaints(
        preset="tiny_phenotyping",
        overrides={"train.seed": 3, "cohort.profile": "corrected"},
        refresh=["train"],
        runner={"runner": "dask", "workers": 2},
    )


def test_an_unknown_field_is_refused_in_this_process_too() -> None:
    with pytest.raises(ParameterTypeError, match="train.sed: no such field"):
        full_pipeline.validate_parameters({"preset": "tiny_phenotyping", "overrides": {"train.sed": 1}})


def test_no_override_is_no_complaint() -> None:
    assert known_fields(None) is None
