"""From predictions to the folder that people read: numbers, tables, pictures, one page."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medpatch.config.code import REPORT_CODE
from medpatch.config.error import ContractError
from medpatch.config.name import Split
from medpatch.config.pipeline import PipelineConfig
from medpatch.contract.artifact import writing
from medpatch.evaluate.content import compose, tables_of
from medpatch.evaluate.export import flat_metrics, long_table, to_json
from medpatch.evaluate.figure import save
from medpatch.evaluate.figure_history import History
from medpatch.evaluate.judge import Verdict, judge
from medpatch.evaluate.name import MADE_UP, MEDPATCH, TASK_WORDS
from medpatch.evaluate.page import render_html, render_markdown
from medpatch.evaluate.picture import pictures_of
from medpatch.evaluate.prediction import HEAD_FILE, read_predictions, refuse_other_stays
from medpatch.evaluate.summary import ModelResult
from medpatch.evaluate.table import to_csv, to_markdown
from medpatch.evaluate.terminal import ResultTable, build_result_table, from_json, to_plain
from medpatch.evaluate.terminal import to_json as terminal_json

Progress = Callable[[int, int], None]

METRICS, METRICS_CSV, RESULT = "metrics.json", "metrics.csv", "result.json"
PAGE, PAGE_MARKDOWN = "report.html", "report.md"
TABLE_DIR, FIGURE_DIR = "table", "figure"


@dataclass(frozen=True)
class EvaluateReport:
    """What was found, and where it is written.

    Attributes:
        directory: the report folder.
        verdict: every number.
        table: the result table for a terminal; rich's console prints it in the width there is.
        markdown: the result table in Markdown.
    """

    directory: Path
    verdict: Verdict
    table: ResultTable
    markdown: str

    @property
    def results(self) -> tuple[ModelResult, ...]:
        """One per model, every stay of the test split."""
        return self.verdict.results

    def metrics(self, model: str = MEDPATCH) -> dict[str, float]:
        """Numbers of one model by the names that tracking uses: "test/auroc", "test/auroc/<label>".

        For "medpatch" also its heads: "test/auroc_high", "test/auroc_low".
        """
        return flat_metrics(self.results, model)


def evaluate_run(
    predictions_path: Path,
    out_dir: Path,
    config: PipelineConfig,
    *,
    inputs: str,
    oracle_dir: Path | None = None,
    histories: History = (),
    made_up: str | None = None,
    warehouse_dir: Path | None = None,
    tensor_dir: Path | None = None,
    progress: Progress | None = None,
) -> EvaluateReport:
    """Judge the test split and write the report folder, whole or not at all.

    Args:
        predictions_path: predictions.parquet with the splits val and test.
        out_dir: folder to make.
        config: of the run.
        inputs: digest of predictions and configuration.
        oracle_dir: best possible probabilities of made-up data.
        histories: rows of the training histories, see `read_histories`.
        made_up: what is invented about the data, in a sentence; marks every page and picture.
        warehouse_dir: mart tables, for the cohort and row counts.
        tensor_dir: shards; the stays must be those of its manifest.
        progress: called with (steps done, steps).

    Raises:
        ContractError: predictions are absent, not whole, NaN, of an empty split or of other stays.
    """
    splits = {s: read_predictions(predictions_path, s, label_names=config.labels) for s in (Split.VAL, Split.TEST)}
    if tensor_dir is not None:
        for prediction in splits.values():
            refuse_other_stays(prediction, tensor_dir)
    verdict = judge(
        splits[Split.VAL],
        splits[Split.TEST],
        config,
        oracle_dir=oracle_dir,
        head=_head(predictions_path.parent),
        progress=progress,
    )
    tables = tables_of(verdict, config, warehouse_dir=warehouse_dir)
    title = f"MedPatch: {TASK_WORDS[config.cohort.task]}"
    table = build_result_table(verdict.results, title=title, level=config.evaluate.interval_level, made_up=made_up)
    markdown = (f"**{MADE_UP}:** {made_up}\n\n" if made_up else "") + to_markdown(tables[0])
    with writing(out_dir, inputs=inputs, packages=REPORT_CODE) as aside:
        (aside / FIGURE_DIR).mkdir()
        (aside / TABLE_DIR).mkdir()
        pictures = pictures_of(splits[Split.TEST], verdict, config, histories=histories)
        for picture in pictures:
            save(picture, aside / FIGURE_DIR, made_up=made_up, source=verdict.source)
        for one in tables:
            (aside / TABLE_DIR / f"{one.name}.csv").write_text(to_csv(one))
        blocks = compose(verdict, config, tables=tables, pictures=pictures, figure_dir=FIGURE_DIR)
        (aside / PAGE_MARKDOWN).write_text(render_markdown(title, blocks, made_up=made_up))
        (aside / PAGE).write_text(render_html(title, blocks, aside, made_up=made_up))
        (aside / METRICS).write_text(json.dumps(to_json(verdict, config, made_up=made_up), indent=1))
        (aside / METRICS_CSV).write_text(to_csv(long_table(verdict)))
        (aside / RESULT).write_text(json.dumps({"terminal": terminal_json(table), "markdown": markdown}, indent=1))
    return EvaluateReport(out_dir, verdict, table, markdown)


def result_table(report: EvaluateReport, *, width: int = 120) -> str:
    """The result table as plain text of that width, characters."""
    return to_plain(report.table, width=width)


def read_table(report_dir: Path) -> ResultTable:
    """The result table of a finished report, for rich's console.

    Raises:
        ContractError: no finished report is there.
    """
    return from_json(_load(report_dir / RESULT)["terminal"])


def read_markdown(report_dir: Path) -> str:
    """The result table of a finished report in Markdown; errors as `read_table`."""
    return _load(report_dir / RESULT)["markdown"]


def read_metrics(report_dir: Path) -> dict[str, dict[str, float]]:
    """Model name -> numbers by tracking name, from a finished report; errors as `read_table`."""
    return _load(report_dir / METRICS)["flat"]


def _head(prediction_dir: Path) -> str:
    try:
        found = json.loads((prediction_dir / HEAD_FILE).read_text())
        return f"{found['head']}, chosen by {found['chosen_by']}"
    except (OSError, ValueError, KeyError):
        return "late"


def _load(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ContractError(f"{path}: no finished report ({error}); run the evaluate step") from error
