"""The report folder: whole or absent, self-contained, marked where data is made up, readable by machines."""

import csv
import io
import json
import re
import struct
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from medpatch.config.code import REPORT_CODE
from medpatch.config.error import ContractError
from medpatch.config.name import PHENOTYPES, Split, Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.contract.artifact import is_current
from medpatch.evaluate.finished import read_markdown, read_metrics, read_table
from medpatch.evaluate.metric import SingleClassWarning
from medpatch.evaluate.report import EvaluateReport, evaluate_run

from .conftest import STATEMENT
from .made_up import made_up_rows, write_manifest, write_rows

FIGURES = {
    "leaderboard", "roc", "pr", "reliability", "labels", "combinations", "subgroups", "drop", "net_benefit",
    "confidence", "cohort_flow", "training",
}  # fmt: skip


def result_table(report: EvaluateReport, *, width: int = 120) -> str:
    """The result table as a screen of that width shows it."""
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(report.table)
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines()) + "\n"


def test_folder_is_whole_and_current(report: EvaluateReport) -> None:
    assert is_current(report.directory, inputs="made-up", packages=REPORT_CODE)


def test_every_picture_is_a_png_large_enough_to_print(report: EvaluateReport) -> None:
    found = {path.stem: path for path in (report.directory / "figure").glob("*.png")}
    assert set(found) == FIGURES
    for path in found.values():
        width, height = struct.unpack(">II", path.read_bytes()[16:24])
        assert min(width, height) > 400


def test_every_picture_is_also_an_svg_and_every_table_csv_and_latex(report: EvaluateReport) -> None:
    assert {path.stem for path in (report.directory / "figure").glob("*.svg")} == FIGURES
    csvs, texs = ({path.stem for path in (report.directory / "table").glob(f"*.{kind}")} for kind in ("csv", "tex"))
    assert csvs == texs
    assert csvs >= {
        "result", "comparison", "fusion_gain", "calibration", "groups", "labels", "label_models", "combinations",
        "drop",
        "own_stays", "subgroups", "operating_points", "confidence", "cohort", "table_one", "rows", "provenance",
        "test_reads", "model_card", "tripod_ai",
    }  # fmt: skip
    tex = (report.directory / "table" / "result.tex").read_text()
    assert tex.count(r"\begin{tabular}") == tex.count(r"\end{tabular}") == 1
    assert "Made up." in tex


def test_svg_says_that_data_are_made_up(report: EvaluateReport) -> None:
    pages = [path.read_text() for path in (report.directory / "figure").glob("*.svg")]
    assert all("MADE UP" in page for page in pages)


def test_contents_link_to_every_chapter(report: EvaluateReport) -> None:
    page = (report.directory / "index.html").read_text()
    links = re.findall(r'<a href="#([^"]+)">', page)
    assert links == re.findall(r'<h2 id="([^"]+)">', page)
    assert len(links) == len(set(links)) >= 12


def test_looks_at_the_test_split_are_in_the_report(report: EvaluateReport) -> None:
    (read,) = json.loads((report.directory / "test_reads.json").read_text())
    assert (read["step"], read["stays"]) == ("report", 120)
    assert "looked at once, for 1 configuration," in (report.directory / "report.md").read_text()


def test_counts_of_few_are_hidden(report: EvaluateReport) -> None:
    with (report.directory / "table" / "table_one.csv").open(newline="") as file:
        rows = {row[0]: row[1:] for row in csv.reader(file)}
    # four of 240 stays are in the tiny unit
    assert rows["First care unit: Tiny Unit"][0] == "< 10"
    assert rows["Sex: Female"][0] == "120 (50.0)"
    with (report.directory / "table" / "subgroups.csv").open(newline="") as file:
        small = [row for row in csv.reader(file) if row[1] == "Tiny Unit"]
    assert small[0][2:] == ["< 10", *["–"] * 6]
    # the only other unit would tell it, in either table
    assert rows["First care unit: Medical Intensive Care Unit (MICU)"][0] == "hidden"
    with (report.directory / "table" / "subgroups.csv").open(newline="") as file:
        (large,) = [row for row in csv.reader(file) if row[1].startswith("Medical")]
    assert large[2] == "hidden"
    assert "Medical Intensive Care Unit (MICU)  (n = hidden)" in _words_of(report, "subgroups")
    assert "(n = 60)" in _words_of(report, "subgroups")


def _words_of(report: EvaluateReport, name: str) -> str:
    """What the SVG's glyphs were drawn from, which matplotlib keeps as comments."""
    return " ".join(re.findall(r"<!-- (.*?) -->", (report.directory / "figure" / f"{name}.svg").read_text()))


def test_html_is_self_contained_and_balanced(report: EvaluateReport) -> None:
    page = (report.directory / "index.html").read_text()
    assert page.count('src="data:image/png;base64,') == len(FIGURES)
    text = re.sub(r'src="data:[^"]*"', "", page)
    assert not re.search(r"https?://|<script|<link|url\(|src=", text)
    checker = Balance()
    checker.feed(page)
    assert checker.open == []


class Balance(HTMLParser):
    """Remembers tags that were opened and not closed."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_made_up_data_is_marked_on_page_markdown_every_caption_and_terminal(report: EvaluateReport) -> None:
    page = (report.directory / "index.html").read_text()
    assert f"MADE UP: {STATEMENT}" in page
    assert '@bottom-left { content: "MADE UP"' in page
    assert all(c.startswith("Made up. ") for c in re.findall(r'class="caption">([^<]*)<', page))
    assert f"> **MADE UP:** {STATEMENT}" in (report.directory / "report.md").read_text()
    assert f"MADE UP: {STATEMENT}" in result_table(report)
    assert read_markdown(report.directory).startswith(f"**MADE UP:** {STATEMENT}")


def test_real_data_is_not_marked(tmp_path: Path, mortality: PipelineConfig) -> None:
    path = write_rows(made_up_rows(Task.IN_HOSPITAL_MORTALITY, stays=60), tmp_path / "p")
    found = evaluate_run(path, tmp_path / "report", config=mortality, inputs="x")
    page = (found.directory / "index.html").read_text().casefold()
    assert "made up" not in page
    assert "made up" not in result_table(found).casefold()


def test_page_holds_the_tables_and_the_cohort_in_order(report: EvaluateReport) -> None:
    page = (report.directory / "report.md").read_text()
    headings = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert headings[:2] == ["Results", "Did fusion help?"]
    assert headings[-3:] == ["How this was evaluated", "Model card", "TRIPOD+AI checklist"]
    assert page.index("every ICU stay") < page.index("adult at admission")
    assert "Gap closed: (AUROC − AUROC of" in page
    assert all(name in page for name in PHENOTYPES)


@pytest.mark.parametrize("width", [80, 120])
def test_terminal_table_fits_its_width_and_cuts_nothing(report: EvaluateReport, width: int) -> None:
    text = result_table(report, width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    main = report.verdict.main.macro.auroc
    assert f"{main.value:.3f}" in text
    assert f"{main.low:.3f}–{main.high:.3f}".replace("0.", ".") in text


def test_table_read_back_prints_the_same(report: EvaluateReport) -> None:
    console = Console(width=120, color_system=None)
    with console.capture() as printed:
        console.print(read_table(report.directory))
    assert [line.rstrip() for line in printed.get().splitlines()] == result_table(report).splitlines()


def test_tracking_names_are_those_agreed(report: EvaluateReport) -> None:
    metrics = report.metrics()
    result = report.verdict.main
    assert metrics["test/auroc"] == result.macro.auroc.value
    assert metrics["test/auroc_high"] == report.verdict.of("medpatch_high").macro.auroc.value
    assert {"test/auroc_low", "test/auprc", "test/auroc_acute", "test/auroc/Shock", "test/gap_closed"} <= set(metrics)
    assert read_metrics(report.directory)["medpatch"] == pytest.approx(metrics)


def test_long_csv_has_every_number_at_full_precision(report: EvaluateReport) -> None:
    with (report.directory / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    mine = [
        r for r in rows if (r["model"], r["stays_with"], r["label"], r["metric"]) == ("late", "all", "Shock", "auroc")
    ]
    expected = next(s for s in report.verdict.of("late").labels if s.name == "Shock").auroc
    assert [float(mine[0][c]) for c in ("value", "low", "high")] == [expected.value, expected.low, expected.high]


def test_no_stay_or_subject_is_in_the_report(report: EvaluateReport) -> None:
    for path in report.directory.rglob("*"):
        if path.suffix in (".json", ".csv", ".md", ".html"):
            text = re.sub(r'src="data:[^"]*"', "", path.read_text())
            assert not re.search(r"\b[13][01]0000\d\d\d\b", text), path.name


def test_number_that_does_not_exist_is_null_and_a_dash(tmp_path: Path, mortality: PipelineConfig) -> None:
    rows = made_up_rows(Task.IN_HOSPITAL_MORTALITY, stays=30)
    rows["label"][rows["split"] == "test"] = 0
    with pytest.warns(SingleClassWarning, match="in-hospital mortality"):
        found = evaluate_run(write_rows(rows, tmp_path / "p"), tmp_path / "report", config=mortality, inputs="x")
    content = json.loads((found.directory / "metrics.json").read_text())
    assert content["results"][0]["macro"]["auroc"]["value"] is None
    assert content["results"][0]["macro"]["brier"]["value"] > 0
    assert "test/auroc" not in found.metrics()
    assert "Read this first" in (found.directory / "report.md").read_text()
    assert not (found.directory / "figure" / "roc.png").exists()


def test_failed_evaluation_leaves_the_earlier_report(tmp_path: Path, mortality: PipelineConfig) -> None:
    rows = made_up_rows(Task.IN_HOSPITAL_MORTALITY, stays=30)
    path = write_rows(rows, tmp_path / "p")
    evaluate_run(path, tmp_path / "report", config=mortality, inputs="x")
    rows["probability"][-1] = float("nan")
    with pytest.raises(ContractError, match="NaN"):
        evaluate_run(write_rows(rows, tmp_path / "p"), tmp_path / "report", config=mortality, inputs="y")
    assert is_current(tmp_path / "report", inputs="x", packages=REPORT_CODE)
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_predictions_of_other_stays_are_refused(tmp_path: Path, mortality: PipelineConfig) -> None:
    rows = made_up_rows(Task.IN_HOSPITAL_MORTALITY, stays=30)
    path = write_rows(rows, tmp_path / "p")
    tensor_dir = write_manifest(made_up_rows(Task.IN_HOSPITAL_MORTALITY, stays=31), tmp_path / "tensor")
    with pytest.raises(ContractError, match="1 of 31 manifest stays missing"):
        evaluate_run(path, tmp_path / "report", config=mortality, inputs="x", tensor_dir=tensor_dir)
    assert not (tmp_path / "report").exists()


def test_empty_test_split_is_refused(tmp_path: Path, mortality: PipelineConfig) -> None:
    path = write_rows(made_up_rows(Task.IN_HOSPITAL_MORTALITY, stays=30, splits=(Split.VAL,)), tmp_path / "p")
    with pytest.raises(ContractError, match="the test split is empty"):
        evaluate_run(path, tmp_path / "report", config=mortality, inputs="x")


def test_unfinished_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="no finished report"):
        read_table(tmp_path)
