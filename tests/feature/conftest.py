"""The made-up cohort of the training tests."""

from train.conftest import made_up

__all__ = ["made_up"]
