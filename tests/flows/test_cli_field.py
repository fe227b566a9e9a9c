"""`medpatch fields` and `--version`: what can be changed, and what runs."""

from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.cli_field import field_rows, type_words
from medpatch.config.error import ConfigError
from medpatch.config.preset import PresetName, preset


def test_every_field_of_the_configuration_is_listed_with_a_meaning() -> None:
    rows = field_rows(PresetName.tiny_phenotyping)
    assert [name for name, *_ in rows] == sorted(preset(PresetName.tiny_phenotyping).flatten())
    assert [name for name, *_, meaning in rows if not meaning] == []


def test_a_field_is_listed_with_its_limits_and_its_value_in_the_preset() -> None:
    [row] = field_rows(PresetName.in_hospital_mortality, "window_hours")
    assert row[:3] == ("cohort.window_hours", "integer > 0 or none", "48")
    [row] = field_rows(PresetName.phenotyping, "window_hours")
    assert row[2] == "none"


def test_fields_that_only_have_the_word_inside_another_are_left_out() -> None:
    names = [name for name, *_ in field_rows(PresetName.phenotyping, "rate")]
    assert {"train.learning_rate", "train.rate.fusion", "evaluate.alert_rates"} <= set(names)
    texts = [f"{name} {meaning}".lower() for name, _, _, meaning in field_rows(PresetName.phenotyping)]
    assert any("calibrate" in text for text in texts)
    assert len(names) < sum("rate" in text for text in texts)


def test_the_beginning_of_a_word_serves_where_no_field_has_it_whole() -> None:
    assert "evaluate.calibration_bins" in [name for name, *_ in field_rows(PresetName.phenotyping, "calibrat")]


def test_no_value_is_called_none_everywhere() -> None:
    assert not [row for row in field_rows(PresetName.phenotyping) if "None" in " ".join(row)]


def test_a_word_that_no_field_has_is_an_error_that_says_so() -> None:
    with pytest.raises(ConfigError, match="no field has 'nonsense'"):
        field_rows(PresetName.phenotyping, "nonsense")


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"enum": ["a", "b"]}, "a, b"),
        ({"type": "array", "items": {"type": "number"}}, "list of number"),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, "number > 0 ≤ 1"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text or none"),
    ],
)
def test_a_schema_is_said_in_words(schema: dict[str, object], words: str) -> None:
    assert type_words(schema) == words


def test_a_long_name_is_never_cut_on_a_narrow_terminal() -> None:
    result = CliRunner().invoke(app, ["fields", "reliability"], env={"COLUMNS": "40"})
    assert result.exit_code == 0
    assert "evaluate.calibration_bins=10  (integer > 1)" in result.output


def test_the_version_is_that_of_the_installed_package() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"medpatch {version('medpatch')}\n")
