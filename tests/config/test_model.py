"""Options of the network that contradict each other are refused."""

import pytest
from pydantic import ValidationError

from medpatch.config.model import FusionConfig


def test_published_wiring_with_a_repaired_score_is_refused() -> None:
    with pytest.raises(ValidationError, match="score=confidence"):
        FusionConfig(compat="published")


def test_published_wiring_with_a_share_of_tokens_is_refused() -> None:
    with pytest.raises(ValidationError, match="high_share=none"):
        FusionConfig(compat="published", score="confidence")


@pytest.mark.parametrize("score", ["confidence", "entropy"])
def test_published_wiring_with_a_published_score_and_threshold_is_accepted(score: str) -> None:
    assert FusionConfig(compat="published", score=score, high_share=None).threshold == 0.75


def test_no_head_at_all_is_refused() -> None:
    with pytest.raises(ValidationError, match="no head is left"):
        FusionConfig(use_joint=False, use_missingness=False, use_late=False)
