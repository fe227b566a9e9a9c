"""Tables of a run's page are read by people."""

from flows.show import metric_rows
from medpatch.config.name import Modality
from medpatch.config.path import REPOSITORY_DIR
from medpatch.evaluate.name import HEAD_MODELS, style, title


def test_the_table_of_metrics_has_the_words_of_the_report_and_the_stable_name() -> None:
    rows = metric_rows({"medpatch": {"test/auroc": 0.73103448, "test/auroc/Gout": 0.5}, "early": {"test/auprc": None}})
    assert rows == [
        {"title": "MedPatch", "auroc": 0.731, "auprc": None, "model": "medpatch"},
        {"title": "Early fusion: joined features", "auroc": None, "auprc": None, "model": "early"},
    ]


def test_a_confidence_stage_is_called_after_its_modality() -> None:
    assert title("confidence_rr") == "Radiology reports only: confidence of its tokens"


def test_the_operations_guide_says_which_word_belongs_to_which_name() -> None:
    guide = (REPOSITORY_DIR / "docs" / "operations.md").read_text()
    named = ("medpatch", *HEAD_MODELS, "late", "early", "ensemble", *(f"unimodal_{m}" for m in Modality))
    for model in named:
        assert f"| {style(model).label} | {style(model).short} | `{model}` |" in guide
