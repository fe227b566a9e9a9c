"""Settings that are numbers: what is none of them is refused."""

import pytest

from medpatch.config.error import ConfigError
from medpatch.config.override import apply_overrides, parse_overrides
from medpatch.config.preset import preset


@pytest.mark.parametrize("number", ["inf", "-inf", "nan", "Infinity", float("inf"), float("nan")])
def test_number_that_is_none_is_refused_in_every_setting_of_numbers(number: str | float) -> None:
    flat = preset("phenotyping").flatten()
    settings = [name for name, value in flat.items() if isinstance(value, float)]

    assert "train.learning_rate" in settings
    for name in settings:
        with pytest.raises(ConfigError, match=name):
            apply_overrides(preset("phenotyping"), {name: number})


def test_infinite_learning_rate_is_refused_with_its_name_and_what_is_wrong() -> None:
    with pytest.raises(ConfigError, match=r"train\.learning_rate.*finite number"):
        apply_overrides(preset("phenotyping"), parse_overrides(["train.learning_rate=inf"]))
