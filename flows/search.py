"""Learning rates tried on validation: one MLflow run per trial below the search, one per seed below that."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any

from prefect import flow
from prefect.logging import get_run_logger

from flows.align import align_steps
from flows.context import RunContext
from flows.extract import extract_steps
from flows.feature import drop_caches
from flows.gpu import gpu_slot
from flows.job import earlier_dirs
from flows.journal import note_mlflow_run
from flows.start import start
from flows.train import train_fusion, train_modality, train_rival, train_unimodal
from medpatch.config.base import digest_of
from medpatch.config.code import EXTRACT_CODE, STAGE_CODE, TENSOR_CODE
from medpatch.config.error import ConfigError
from medpatch.config.name import Rival
from medpatch.config.path import code_digest
from medpatch.config.preset import PresetName
from medpatch.config.search import SearchPart, SearchSettings, search_range, searched_field
from medpatch.track.log import log_metrics
from medpatch.track.run import TrackedRun, child_run, log_params, open_tracking, parent_run

CODE = tuple(sorted({*EXTRACT_CODE, *TENSOR_CODE, *STAGE_CODE}))
"""What a score depends on beside the settings and the raw files."""


@flow(name="search", flow_run_name="{preset}-{part}")
def search_flow(
    preset: PresetName,
    part: SearchPart = SearchPart.ALL,
    *,
    trials: int = 10,
    seeds: int = 3,
    low: float | None = None,
    high: float | None = None,
    raw_dir: Path | None = None,
    work_dir: Path | None = None,
    overrides: dict[str, Any] | None = None,
) -> Path:
    """Judge learning rates on validation; what is trained on the way is reused by later runs.

    Args:
        preset: named configuration.
        part: whose learning rate.
        trials: learning rates to try.
        seeds: training seeds of each.
        low: smallest learning rate; none as in `medpatch.config.search.search_range`.
        high: largest, likewise.
        raw_dir: folder with the MIMIC data sets.
        work_dir: folder for everything that is written.
        overrides: single fields by dotted name.

    Returns:
        The folder of the search.
    """
    from medpatch.train.search import search

    ways = {"raw_dir": raw_dir, "work_dir": work_dir}
    run = start(preset, overrides=overrides, **ways, renames=False)
    first = run.config.train.seed
    low, high = search_range(run.config, part, low=low, high=high)
    settings = SearchSettings(trials, tuple(range(first, first + seeds)), low, high)
    tensors = align_steps(run, extract_steps(run))
    target = search_dir(run, part, low=low, high=high, seeds=seeds)
    with gpu_slot(run.config), _searched(run, part) as parent:

        def judge(trial: int, rate: float, seed: int) -> float:
            changed = {**(overrides or {}), searched_field(part): rate, "train.seed": seed}
            name = f"trial-{trial}-seed-{seed}"
            own = start(preset, overrides=changed, **ways, renames=False)
            tags = {"trial": str(trial), "seed": str(seed)}
            with child_run(trial_run(trial, rate), name, model=judged_model(part), tags=tags) as child:
                score = train_and_score(own, part, tensors=tensors, parent=child)
                log_params(child, {searched_field(part): rate, "train.seed": seed})
                log_metrics(child, {"val/auroc": score})
            scores.setdefault(trial, []).append(score)
            # at once: a search that goes on after a kill does not see the runs of earlier trials
            log_metrics(opened[trial], {"val/auroc": fmean(scores[trial])})
            return score

        opened: dict[int, TrackedRun] = {}
        scores: dict[int, list[float]] = {}

        def trial_run(trial: int, rate: float) -> TrackedRun:
            if trial not in opened:
                with child_run(parent, f"trial-{trial}", model=judged_model(part), tags={"trial": str(trial)}) as child:
                    log_params(child, {searched_field(part): rate})
                opened[trial] = child
            return opened[trial]

        result = search(target, settings, judge=judge)
        log_metrics(parent, {"val/auroc": result.best.mean, "best/learning_rate": result.best.learning_rate})
    get_run_logger().info("best: %s=%.3g", searched_field(part), result.best.learning_rate)
    return target


def search_dir(run: RunContext, part: SearchPart, *, low: float, high: float, seeds: int) -> Path:
    """The study of this part of this configuration by this code, whatever its own learning rate is."""
    field = searched_field(part)
    rest = {name: value for name, value in run.config.flatten().items() if name != field}
    return (
        run.paths.work_dir
        / f"search-{part}-{digest_of(rest, run.raw_fingerprint, low, high, seeds, code_digest(CODE))}"
    )


def judged_model(part: SearchPart) -> str:
    """The model whose validation AUROC counts."""
    if part in list(Rival):
        return str(part)
    return "unimodal" if part is SearchPart.UNIMODAL else "medpatch"


def train_and_score(run: RunContext, part: SearchPart, *, tensors: str, parent: TrackedRun) -> float:
    """Macro AUROC on the val stays that choose epochs; only what the part needs is trained."""
    from medpatch.train.result import read_result

    if part is SearchPart.UNIMODAL:
        for m in run.config.modality.modalities:
            train_unimodal(run, m, tensors=tensors, parent=parent)
        results = [read_result(run.unimodal_dir(m)) for m in run.config.modality.modalities]
        return _mean([r.best.get("val_auroc") for r in results if not r.is_dropped])
    children: dict[str, TrackedRun] = {}
    kept = [
        m
        for m in run.config.modality.modalities
        if train_modality(run, m, tensors=tensors, parent=parent, children=children)
    ]
    if part in list(Rival):
        train_rival(run, Rival(part), earlier=earlier_dirs(run, kept), parent=parent)
        folder = run.rival_dir(Rival(part))
    else:
        train_fusion(run, earlier_dirs(run, kept), parent=parent)
        folder = run.fusion_dir()
    # a cache per trial would fill the disk; the best one's is made again when it is used
    if part is SearchPart.ALL:
        drop_caches(run.encoder_dir.glob("feature-*"))
    if part in (SearchPart.ALL, SearchPart.CONFIDENCE):
        drop_caches(run.pool_dir(m) for m in kept)
    return _mean([read_result(folder).best.get("val_auroc")])


@contextmanager
def _searched(run: RunContext, part: SearchPart) -> Iterator[TrackedRun]:
    with parent_run(
        open_tracking(run.paths),
        run.config,
        preset=run.preset,
        data_digest=run.data_digest,
        made_up=run.made_up is not None,
        model=f"search-{part}",
    ) as parent:
        note_mlflow_run(run.paths, parent.run_id)
        yield parent


def _mean(scores: list[float | None]) -> float:
    known = [score for score in scores if score is not None]
    if not known:
        raise ConfigError("search: no label has both classes among the val stays; use a larger cohort")
    return fmean(known)
