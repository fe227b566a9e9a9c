"""Mart tables to Parquet shards: the whole alignment, a chunk of stays at a time."""

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from medpatch.align.ehr import EhrGrid, value_columns
from medpatch.align.fit import make_scaler, make_tokenizer, needs_scaler_fit
from medpatch.align.label import read_labels
from medpatch.align.mart import read_stay_index
from medpatch.align.note import NoteChunks
from medpatch.align.report import AlignReport, summarise, write_description
from medpatch.align.scaler import save_scaler
from medpatch.align.source import Images, Source, chunks, open_source, read_cxr, read_grid, read_notes
from medpatch.align.stay import StayColumns, manifest_rows, stay_table
from medpatch.align.writer import ShardWriter
from medpatch.config.code import TENSOR_CODE
from medpatch.config.name import Modality, Split
from medpatch.config.pipeline import PipelineConfig
from medpatch.contract.artifact import writing
from medpatch.contract.tensor import SCALER, TOKENIZER_DIR

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

logger = logging.getLogger(__name__)

IDS_IN_WARNING = 20


def write_shards(
    warehouse_dir: Path,
    cxr_dir: Path | None,
    config: PipelineConfig,
    out_dir: Path,
    *,
    inputs: str,
    progress: Callable[[int, int], None] | None = None,
) -> AlignReport:
    """Write the tensor folder of a run: shards per split, manifest, scaler, tokenizer, spec and report.

    An image that is absent or not readable is counted and named; its stay goes on without it.

    Args:
        warehouse_dir: the mart tables as Parquet.
        cxr_dir: the MIMIC-CXR-JPG folder; needed if the run has radiographs.
        config: the run.
        out_dir: the folder to make; absent or whole at any time.
        inputs: digest of what the tensors are made from.
        progress: told (stays done, stays to do); a fitted scaler reads the train stays twice.

    Raises:
        ContractError: a mart table is absent or breaks its contract.
        ConfigError: radiographs without a folder, or an unusable tokenizer.
    """
    source = open_source(warehouse_dir, cxr_dir, config)
    index = read_stay_index(warehouse_dir)
    label = read_labels(warehouse_dir, config.cohort.task, stay_id=index["stay_id"].to_numpy())
    is_train = (index["split"] == str(Split.TRAIN)).to_numpy()
    train = index.filter(is_train)
    advance = _counter(progress, total=index.height + (train.height if needs_scaler_fit(source) else 0))

    with writing(out_dir, inputs=inputs, packages=TENSOR_CODE) as folder:
        scaler = make_scaler(source, train, advance=advance)
        save_scaler(scaler, folder / SCALER)
        tokenizer = make_tokenizer(source, train)
        if tokenizer is not None:
            tokenizer.save_pretrained(folder / TOKENIZER_DIR)

        writer = ShardWriter(folder, config.modality.shard_stays)
        image_count = 0
        unreadable: list[str] = []
        for rows, grid, images, notes in _ahead(partial(_read, source, tokenizer), chunks(index)):
            first = writer.stay_count
            stays = StayColumns(
                index=rows,
                label=label[first : first + rows.height],
                grid=grid,
                ehr=None if grid is None else value_columns(grid, source.layout, scaler=scaler),
                cxr=images.image,
                notes=notes,
            )
            writer.add(stay_table(stays), manifest_rows(stays, source.layout))
            image_count += images.asked
            unreadable += images.unreadable_dicom_ids
            advance(rows.height)
        manifest = writer.finish()
        report = summarise(manifest, config, image_count=image_count, unreadable=unreadable)
        write_description(
            folder,
            report,
            config=config,
            train_label=label[is_train],
            vocabulary_size=0 if tokenizer is None else len(tokenizer),
            pad_id=0 if tokenizer is None else tokenizer.pad_token_id,
        )
    _log(report, config)
    return report


class _Read(NamedTuple):
    """Some stays as they were read."""

    rows: pl.DataFrame
    grid: EhrGrid | None
    images: Images
    notes: dict[Modality, NoteChunks | None]


def _read(source: Source, tokenizer: "PreTrainedTokenizerFast | None", rows: pl.DataFrame) -> _Read:
    notes = {m: read_notes(source, m, rows, tokenizer=tokenizer) for m in (Modality.RR, Modality.DN)}
    return _Read(rows, read_grid(source, rows), read_cxr(source, rows), notes)


def _ahead(read: Callable[[pl.DataFrame], _Read], chunks_of_stays: Iterable[pl.DataFrame]) -> Iterator[_Read]:
    """What `read` gives for each chunk, one chunk ahead of the caller."""
    with ThreadPoolExecutor(max_workers=1) as reader:
        waiting: Future[_Read] | None = None
        for rows in chunks_of_stays:
            coming = reader.submit(read, rows)
            if waiting is not None:
                yield waiting.result()
            waiting = coming
        if waiting is not None:
            yield waiting.result()


def _counter(progress: Callable[[int, int], None] | None, *, total: int) -> Callable[[int], None]:
    done = 0

    def advance(stays: int) -> None:
        nonlocal done
        done += stays
        if progress is not None:
            progress(done, total)

    return advance


def _log(report: AlignReport, config: PipelineConfig) -> None:
    logger.info("aligned stays: %s", dict(report.stay_count))
    if report.unreadable_image_count:
        shown = report.unreadable_dicom_ids[:IDS_IN_WARNING]
        logger.warning(
            "%d of %d images are absent or not readable, their stays go on without cxr: %s%s",
            report.unreadable_image_count,
            report.image_count,
            ", ".join(shown),
            " and others" if report.unreadable_image_count > len(shown) else "",
        )
    for modality in config.modality.modalities:
        if not report.presence_count[str(Split.TRAIN)][str(modality)]:
            logger.warning("%s: no stay of the train split has it; nothing can be learnt from it", modality)
    if report.stays_without_input:
        logger.warning("%d stays have none of the run's modalities", report.stays_without_input)
