"""What readers took for mistakes: signs of zero, commands, the oracle's tick, pictures of other splits."""

import re
from pathlib import Path

import pytest

from medpatch.config.name import Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.evaluate.figure_leaderboard import leaderboard_picture
from medpatch.evaluate.name import STACKING, STYLES
from medpatch.evaluate.page import Bullets, Paragraph, render_html
from medpatch.evaluate.report import EvaluateReport, evaluate_run
from medpatch.evaluate.table import Table, number, percent, signed

from .conftest import FACTS
from .made_up import HISTORY, add_drops, made_up_rows, write_manifest, write_rows


@pytest.mark.parametrize(
    ("value", "plain", "with_sign"),
    [(-0.004, "0.00", "0.00"), (0.004, "0.00", "0.00"), (-0.006, "−0.01", "−0.01"), (0.25, "0.25", "+0.25")],
)
def test_zero_has_no_sign(value: float, plain: str, with_sign: str) -> None:
    assert (number(value, 2), signed(value, 2)) == (plain, with_sign)


def test_percent_of_nearly_nothing_has_no_sign() -> None:
    assert (percent(-0.004), percent(-0.3), percent(1.0)) == ("0%", "−30%", "100%")


def test_commands_are_set_as_code_wherever_they_stand(tmp_path: Path) -> None:
    words = "Run `medpatch evaluate` <now>."
    blocks = [Paragraph(words), Bullets((words,)), Table("t", "T", ("A",), ((words,),), words)]
    page = render_html("Title", blocks, folder=tmp_path, made_up=None)
    assert page.count("Run <code>medpatch evaluate</code> &lt;now&gt;.") == 4
    assert "`" not in page


def test_page_has_no_backtick(report: EvaluateReport) -> None:
    page = (report.directory / "index.html").read_text()
    assert "<code>medpatch evaluate</code>" in page
    assert "`" not in page


def test_value_is_written_above_the_oracles_tick(report: EvaluateReport) -> None:
    figure = leaderboard_picture(report.results, level=0.95).figure
    figure.canvas.draw()
    axis = figure.axes[0]
    ticks = [line for line in axis.lines if len(line.get_xdata()) == 2 and line.get_xdata()[0] == line.get_xdata()[1]]
    values = [text for text in axis.texts if re.fullmatch(r"\d\.\d{3}", text.get_text())]
    assert ticks
    for tick in ticks:
        ends = axis.transData.transform([(tick.get_xdata()[0], y) for y in tick.get_ydata()])
        boxes = [value.get_window_extent() for value in values]
        over = [b for b in boxes if b.x0 <= ends[0, 0] <= b.x1 and b.y0 < ends[:, 1].max() and b.y1 > ends[:, 1].min()]
        assert not over


def test_picture_says_of_which_split_it_is(report: EvaluateReport) -> None:
    said = {path.stem: path.read_text() for path in (report.directory / "figure").glob("*.svg")}
    other = {"cohort_flow": "every split", "training": "Train and validation", "confidence": "Validation split"}
    for name, page in said.items():
        assert ("Test split:" in page) is (name not in other)
        assert other.get(name, "Test split:") in page


def test_one_label_has_no_macro_auroc(tmp_path: Path, mortality: PipelineConfig) -> None:
    rows = add_drops(made_up_rows(Task.IN_HOSPITAL_MORTALITY, stays=60))
    found = evaluate_run(
        write_rows(rows, tmp_path / "p"),
        tmp_path / "report",
        config=mortality,
        inputs="x",
        tensor_dir=write_manifest(rows, tmp_path / "t"),
        histories=HISTORY,
        facts=FACTS,
    )
    page = (found.directory / "report.md").read_text()
    assert "AUROC [95% CI] over all test stays" in page
    assert "AUROC on validation (right scale)" in page
    assert "macro auroc" not in page.casefold()


def test_many_labels_have_a_macro_auroc(report: EvaluateReport) -> None:
    page = (report.directory / "report.md").read_text()
    assert "Macro AUROC [95% CI] over all test stays" in page
    assert "macro AUROC on validation (right scale)" in page


def test_table_of_model_names_in_the_docs_has_the_words_of_the_report() -> None:
    words = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    for model in (STACKING, "late", "early", "medpatch_high", "medpatch_low", "medpatch_late"):
        look = STYLES[model]
        assert f"| {look.label} | {look.short} | `{model}` |" in words
