"""Predictions of one or several runs to the folder that people read: numbers, tables, pictures, one page."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from medpatch.config.arm import Arm
from medpatch.config.code import REPORT_CODE
from medpatch.config.name import Split
from medpatch.config.pipeline import PipelineConfig
from medpatch.contract.artifact import writing
from medpatch.contract.confidence import ConfidenceReport
from medpatch.evaluate.arm import arm_table
from medpatch.evaluate.census import ALL, JUDGED, PATIENTS, STAYS, census
from medpatch.evaluate.chapter import analyse, chapters
from medpatch.evaluate.coarse import coarse, is_hidden
from medpatch.evaluate.export import flat_metrics, long_table, to_json
from medpatch.evaluate.fact import RunFacts, as_used
from medpatch.evaluate.figure import save
from medpatch.evaluate.figure_history import History
from medpatch.evaluate.finished import METRICS, RESULT
from medpatch.evaluate.judge import Verdict, judge, source_line
from medpatch.evaluate.name import MADE_UP, MEDPATCH
from medpatch.evaluate.page import MARK, render_html, render_markdown
from medpatch.evaluate.prediction import (
    SplitPrediction,
    heads_in_words,
    read_predictions,
    refuse_other_runs,
    refuse_other_stays,
)
from medpatch.evaluate.section import Section, pictures_in, tables_in, to_blocks
from medpatch.evaluate.section_cohort import read_parts
from medpatch.evaluate.stay import read_facts
from medpatch.evaluate.summary import ModelResult
from medpatch.evaluate.suppress import Disclosure, protect
from medpatch.evaluate.table import Table, to_csv, to_latex, to_markdown
from medpatch.evaluate.terminal import ResultTable
from medpatch.evaluate.terminal import to_json as terminal_json
from medpatch.evaluate.terminal_table import build_result_table

Progress = Callable[[int, int], None]

METRICS_CSV, READS = "metrics.csv", "test_reads.json"
PAGE, PAGE_MARKDOWN = "index.html", "report.md"
TABLE_DIR, FIGURE_DIR = "table", "figure"


@dataclass(frozen=True)
class EvaluateReport:
    """What was found, and where it is written.

    Attributes:
        directory: the report folder.
        verdict: every number.
        table: the result table for a terminal; rich's console prints it in the width there is.
        markdown: the result table in Markdown.
        shown: which counts may be shown.
    """

    directory: Path
    verdict: Verdict
    table: ResultTable
    markdown: str
    shown: Disclosure

    @property
    def results(self) -> tuple[ModelResult, ...]:
        """One per model, every stay of the test split."""
        return self.verdict.results

    def metrics(self, model: str = MEDPATCH) -> dict[str, float]:
        """Numbers of one model by the names that tracking uses: "test/auroc", "test/auroc/<label>".

        For "medpatch" also its heads: "test/auroc_high", "test/auroc_low".
        """
        return flat_metrics(self.results, model, shown=self.shown)


@dataclass(frozen=True)
class Material:
    """What a report may draw on beside the predictions; what is absent leaves its chapter out or says so.

    Attributes:
        oracle_dir: best possible probabilities of made-up data.
        histories: rows of the training histories, see `read_histories`; with several runs each row says its "seed".
        confidence: of the tokens of each modality, see `read_confidence`; of every run, in the order of the runs.
        made_up: what is invented about the data, in a sentence; marks every page and picture.
        warehouse_dir: mart tables, for cohort, table 1 and subgroups.
        tensor_dir: shards; the stays must be those of its manifest, which also says what each stay brings.
        facts: where the numbers come from.
        arms: arm -> predictions.parquet of each run trained with less to read, in the order of the runs.
    """

    oracle_dir: Path | None = None
    histories: History = ()
    confidence: Sequence[ConfidenceReport] = ()
    made_up: str | None = None
    warehouse_dir: Path | None = None
    tensor_dir: Path | None = None
    facts: RunFacts | None = None
    arms: Mapping[Arm, Sequence[Path]] = field(default_factory=dict)


def evaluate_runs(
    predictions: Mapping[str, Path],
    out_dir: Path,
    *,
    config: PipelineConfig,
    inputs: str,
    title: str,
    material: Material,
    progress: Progress | None = None,
) -> EvaluateReport:
    """Judge the test split of one run, or of several with different training seeds as one, and write the folder.

    Args:
        predictions: name of the run -> predictions.parquet with the splits val and test.
        out_dir: folder to make, whole or not at all.
        config: of the runs, alike but for the seed.
        inputs: digest of all predictions and the configuration.
        title: of the page.
        material: what else the report draws on.
        progress: called with (steps done, steps).

    Raises:
        ContractError: predictions are absent, not whole, NaN, of an empty split or of other stays; what chose the
            head is unknown; or a run has other stays, labels or models than the first.
    """
    config = as_used(config, material.facts)
    runs = {
        split: {name: read_predictions(path, split, label_names=config.labels) for name, path in predictions.items()}
        for split in (Split.VAL, Split.TEST)
    }
    for found in runs.values():
        refuse_other_runs(found)
        if material.tensor_dir is not None:
            refuse_other_stays(next(iter(found.values())), material.tensor_dir)
    val, test = (tuple(runs[split].values()) for split in (Split.VAL, Split.TEST))
    head, made_up = heads_in_words([path.parent for path in predictions.values()]), material.made_up
    judging, analysing = _halves(progress)
    verdict = judge(val, test, config=config, oracle_dir=material.oracle_dir, head=head, progress=judging)
    if material.facts is not None:
        left_out = tuple(f"{one.words}." for one in material.facts.dropped)
        verdict = replace(verdict, warnings=(*left_out, *verdict.warnings))
    stays = read_facts(
        test[0].stay_id,
        config.modality.modalities,
        tensor_dir=material.tensor_dir,
        warehouse_dir=material.warehouse_dir,
        age_edges_years=config.evaluate.age_edges_years,
    )
    parts = read_parts(material.warehouse_dir, config)
    counts = census(
        test[0],
        stays,
        cohort=parts.counts,
        steps=parts.steps,
        account=parts.account,
        confidence=material.confidence,
        smallest=config.evaluate.min_count,
    )
    shown = protect(counts)
    stays_shown, patients_shown = (shown.words((measure, JUDGED, ALL)) for measure in (STAYS, PATIENTS))
    source = source_line(stays_shown, patients_shown, config=config, runs=len(test))
    verdict = replace(verdict, source=source)
    analyses = analyse(val, test, facts=stays, verdict=verdict, config=config, progress=analysing)
    if len(config.labels) == 1:
        verdict, analyses = (coarse(part, shown=shown) for part in (verdict, analyses))
    sections = chapters(
        verdict,
        analyses,
        test=test,
        config=config,
        facts=material.facts,
        confidence=material.confidence,
        histories=material.histories,
        made_up=made_up,
        cohort=parts,
        shown=shown,
        arms=_arms(test, config, material=material, is_coarse=len(config.labels) == 1 and is_hidden(shown)),
    )
    table = build_result_table(
        verdict.results, title=title, level=config.evaluate.interval_level, made_up=made_up, shown=shown
    )
    markdown = (f"**{MADE_UP}:** {made_up}\n\n" if made_up else "") + to_markdown(tables_in(sections)[0])
    with writing(out_dir, inputs=inputs, packages=REPORT_CODE) as aside:
        _write_parts(sections, aside, made_up=made_up, source=verdict.source)
        blocks = to_blocks(sections, figure_dir=FIGURE_DIR)
        (aside / PAGE_MARKDOWN).write_text(render_markdown(title, blocks, made_up=made_up))
        (aside / PAGE).write_text(render_html(title, blocks, folder=aside, made_up=made_up))
        (aside / METRICS).write_text(
            json.dumps(to_json(verdict, analyses, config=config, made_up=made_up, shown=shown), indent=1)
        )
        (aside / METRICS_CSV).write_text(to_csv(long_table(verdict, shown)))
        (aside / RESULT).write_text(json.dumps({"terminal": terminal_json(table), "markdown": markdown}, indent=1))
        if material.facts is not None:
            (aside / READS).write_text(json.dumps([asdict(read) for read in material.facts.reads], indent=1))
    return EvaluateReport(out_dir, verdict, table, markdown, shown)


def _write_parts(sections: Sequence[Section], aside: Path, *, made_up: str | None, source: str) -> None:
    """Every picture as PNG and SVG, every table as CSV and LaTeX."""
    for name in (FIGURE_DIR, TABLE_DIR):
        (aside / name).mkdir()
    for picture in pictures_in(sections):
        save(picture, aside / FIGURE_DIR, made_up=made_up, source=source)
    for one in tables_in(sections):
        (aside / TABLE_DIR / f"{one.name}.csv").write_text(to_csv(one))
        (aside / TABLE_DIR / f"{one.name}.tex").write_text(to_latex(one, note=MARK if made_up else ""))


def _arms(
    test: Sequence[SplitPrediction], config: PipelineConfig, *, material: Material, is_coarse: bool
) -> Table | None:
    if not material.arms:
        return None
    arms = {
        arm: [read_predictions(path, Split.TEST, label_names=config.labels) for path in paths]
        for arm, paths in material.arms.items()
    }
    return arm_table(test, arms, config=config.evaluate, is_coarse=is_coarse)


def _halves(progress: Progress | None) -> tuple[Progress | None, Progress | None]:
    """Two callbacks that share one bar, the first half for judging all stays."""
    if progress is None:
        return None, None
    half = 100

    def part(before: int) -> Progress:
        return lambda done, total: progress(before + round(half * done / max(1, total)), 2 * half)

    return part(0), part(half)
