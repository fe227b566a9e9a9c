"""The search: finds the better rate, cuts the hopeless short, and goes on where it was stopped."""

import math

import pytest

from medpatch.config.error import ConfigError, DivergedError
from medpatch.config.preset import phenotyping, tiny_phenotyping
from medpatch.config.search import SearchPart, SearchSettings, search_range, searched_field
from medpatch.train.search import read_search, search

SETTINGS = SearchSettings(trials=8, seeds=(1, 2, 3))
PEAK = 2e-4


def score(rate: float, seed: int) -> float:
    """Best at the peak, a little different by seed."""
    return 0.8 - 0.1 * abs(math.log10(rate / PEAK)) + 0.001 * seed


def test_the_best_of_the_rates_is_found_and_judged_with_every_seed(tmp_path):
    tried = []

    def judge(trial, rate, seed):
        tried.append(rate)
        return score(rate, seed)

    result = search(tmp_path / "s", SETTINGS, judge=judge)
    assert len(result.judged) == 8
    assert all(1e-5 <= rate <= 1e-3 for rate in tried)
    assert result.best.learning_rate == min(set(tried), key=lambda rate: abs(math.log10(rate / PEAK)))
    assert result.best.scores == pytest.approx([score(result.best.learning_rate, s) for s in (1, 2, 3)])
    assert read_search(tmp_path / "s") == result


def test_a_trial_that_falls_behind_is_not_given_every_seed(tmp_path):
    result = search(tmp_path / "s", SETTINGS, judge=lambda trial, rate, seed: 0.9 - 0.1 * trial)
    cut = [one.trial for one in result.judged if not one.is_complete]
    # each trial is worse than all before it, so all are cut once there are others to compare with
    assert cut == list(range(2, 8))
    assert {len(one.scores) for one in result.judged if one.trial in cut} == {1}
    assert result.best.trial == 0


def test_a_search_that_was_stopped_ends_like_an_undisturbed_one(tmp_path):
    whole = search(tmp_path / "whole", SETTINGS, judge=lambda trial, rate, seed: score(rate, seed))
    left = 7

    def dying(trial, rate, seed):
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return score(rate, seed)

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "stopped", SETTINGS, judge=dying)
    again = search(tmp_path / "stopped", SETTINGS, judge=lambda trial, rate, seed: score(rate, seed))
    rates = [sorted(one.learning_rate for one in result.judged) for result in (whole, again)]
    assert rates[0] == pytest.approx(rates[1])


def test_a_finished_search_judges_nothing_again(tmp_path):
    first = search(tmp_path / "s", SETTINGS, judge=lambda trial, rate, seed: score(rate, seed))

    def never(trial, rate, seed):
        raise AssertionError

    assert search(tmp_path / "s", SETTINGS, judge=never) == first


def test_a_score_that_is_no_number_or_an_empty_range_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no label has both classes"):
        search(tmp_path / "s", SETTINGS, judge=lambda trial, rate, seed: math.nan)
    with pytest.raises(ConfigError, match="0 < low < high"):
        SearchSettings(trials=1, seeds=(1,), low=1e-3, high=1e-4)


def test_a_rate_at_which_training_diverges_is_cut_short_and_the_search_goes_on(tmp_path):
    limit = 1e-4

    def judge(trial, rate, seed):
        if rate > limit:
            raise DivergedError("the loss became nan")
        return score(rate, seed)

    result = search(tmp_path / "s", SETTINGS, judge=judge)
    diverged = [one for one in result.judged if one.learning_rate > limit]
    assert len(result.judged) == 8
    assert diverged
    assert not any(one.is_complete or one.scores for one in diverged)
    assert result.judged[-len(diverged) :] == tuple(diverged)
    assert result.best.learning_rate <= limit

    def never(trial, rate, seed):
        raise AssertionError

    again = search(tmp_path / "s", SETTINGS, judge=never)  # is not begun again at that rate
    assert [one.trial for one in again.judged] == [one.trial for one in result.judged]


def test_rates_are_those_of_the_paper_unless_the_part_has_one_of_another_size():
    paper, tiny = phenotyping(), tiny_phenotyping()
    assert search_range(paper, SearchPart.FUSION) == (1e-5, 1e-3)
    assert search_range(tiny, SearchPart.FUSION) == pytest.approx((3e-4, 3e-2))
    assert search_range(paper, SearchPart.BOOSTED_TREES) == pytest.approx((0.004, 0.4))
    assert search_range(tiny, SearchPart.ALL, low=1e-6) == pytest.approx((1e-6, 3e-2))


def test_every_part_names_its_field():
    assert searched_field(SearchPart.ALL) == "train.learning_rate"
    assert searched_field(SearchPart.DRFUSE) == "train.rate.drfuse"
