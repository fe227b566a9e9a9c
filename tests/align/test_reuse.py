"""Images and notes that earlier tensors hold are copied, and only what changed is decoded and tokenised."""

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from align.warehouse import HEART_RATE, tiny_config, write_image, write_warehouse
from medpatch.align import source
from medpatch.align.reuse import open_reuse
from medpatch.align.shard import write_shards
from medpatch.config.name import Modality, Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.contract.tensor import MADE_FROM

EHR, CXR, RR, DN = Modality
CONFIG = tiny_config(EHR, CXR, RR, DN, task=Task.PHENOTYPING)
STAYS = {3: "train", 7: "train", 5: "val", 9: "test"}
IMAGES = {3: "a.jpg", 5: "b.jpg", 9: "absent.jpg"}
REPORTS = [(3, 0, "clear lungs"), (3, 1, "again"), (7, 0, "clear heart"), (9, 0, " ")]
NOTES = [(5, 0, "went home")]
Align = Callable[..., dict[int, tuple]]


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files that are decoded and texts that are tokenised, as they are."""
    done: list[str] = []
    read_images, chunk_notes = source.read_images, source.chunk_notes

    def decoded(files, size_px):
        done.extend(file.name for file in files)
        return read_images(files, size_px)

    def tokenised(joined, stay_id, **settings):
        done.extend(joined["text"])
        return chunk_notes(joined, stay_id, **settings)

    monkeypatch.setattr(source, "read_images", decoded)
    monkeypatch.setattr(source, "chunk_notes", tokenised)
    return done


@pytest.fixture
def align(tmp_path: Path, work: list[str]) -> Align:
    """Stay -> (image, reports, note), aligned next to the folders "first" and "other"."""
    write_image(tmp_path / "cxr" / "a.jpg", 80)
    write_image(tmp_path / "cxr" / "b.jpg", 160)

    def made(name: str, *, heart_rate: float = 60.0, reports=REPORTS, config: PipelineConfig = CONFIG):
        shutil.rmtree(tmp_path / "mart", ignore_errors=True)
        events = [(s, 0.5, HEART_RATE, heart_rate) for s in STAYS]
        write_warehouse(
            tmp_path / "mart", STAYS, task=Task.PHENOTYPING, events=events, images=IMAGES, rr=reports, dn=NOTES
        )
        earlier = [tmp_path / other for other in ("first", "other") if other != name]
        work.clear()
        write_shards(
            tmp_path / "mart", tmp_path / "cxr", config=config, out_dir=tmp_path / name, inputs=name, earlier=earlier
        )
        rows = [row for f in sorted((tmp_path / name).glob("*-0*.parquet")) for row in pq.read_table(f).to_pylist()]
        return {row["stay_id"]: (row["cxr"], row["rr"], row["dn"]) for row in rows}

    return made


def test_changed_measurements_decode_no_image_and_tokenise_no_note_again(align: Align, work: list[str]) -> None:
    first = align("first")
    assert sorted(work) == ["a.jpg", "absent.jpg", "b.jpg", "clear heart", "clear lungs again", "went home"]

    second = align("second", heart_rate=90.0)

    assert work == ["absent.jpg"]  # what could not be read is tried again
    assert second == first
    assert [first[s][0] is None for s in (3, 5, 7, 9)] == [False, False, True, True]


def test_without_earlier_tensors_the_outcome_is_the_same(tmp_path: Path, align: Align) -> None:
    align("first")
    copied = align("second", heart_rate=90.0)
    shutil.rmtree(tmp_path / "first")

    assert align("third", heart_rate=90.0) == copied
    for file in [*(tmp_path / "second").glob("*.parquet"), tmp_path / "second" / MADE_FROM]:
        assert file.read_bytes() == (tmp_path / "third" / file.name).read_bytes(), file.name


def test_only_a_changed_image_is_decoded(tmp_path: Path, align: Align, work: list[str]) -> None:
    first = align("first")
    write_image(tmp_path / "cxr" / "b.jpg", 200)

    second = align("second")

    assert sorted(work) == ["absent.jpg", "b.jpg"]
    assert second[3] == first[3]
    assert {*second[5][0]} == {200}


def test_only_the_stay_with_a_changed_report_is_tokenised(align: Align, work: list[str]) -> None:
    first = align("first")

    second = align("second", reports=[*REPORTS[:2], (7, 0, "heart clear")])  # the same words: the same vocabulary

    assert sorted(work) == ["absent.jpg", "heart clear"]
    assert second[3] == first[3]
    assert second[7][1] == [[*first[7][1][0][:1], *first[7][1][0][2:0:-1], *first[7][1][0][3:]]]


def test_other_words_or_another_size_make_everything_of_their_kind_again(align: Align, work: list[str]) -> None:
    align("first")

    align("second", reports=[*REPORTS, (7, 1, "strange")])
    assert sorted(work) == ["absent.jpg", "clear heart strange", "clear lungs again", "went home"]

    modality = CONFIG.modality.model_copy(update={"image_size_px": 32})
    assert len(align("third", config=CONFIG.model_copy(update={"modality": modality}))[3][0]) == 32 * 32
    assert sorted(work) == ["a.jpg", "absent.jpg", "b.jpg"]


@pytest.mark.parametrize("harm", ["manifest.parquet", MADE_FROM, "artifact.json", "train-00000.parquet"])
def test_folder_that_is_not_whole_lends_nothing(tmp_path: Path, align: Align, work: list[str], harm: str) -> None:
    align("first")
    (tmp_path / "first" / harm).unlink()

    align("second")

    assert {"a.jpg", "b.jpg", "clear heart"} < {*work}


def test_shard_that_vanishes_meanwhile_is_passed_over(tmp_path: Path, align: Align) -> None:
    align("first")
    reuse = open_reuse([tmp_path / "first"], CONFIG.modality, tokenizer=None)
    keys = pl.read_ipc(tmp_path / "first" / MADE_FROM).sort("shard")["cxr_key"].drop_nulls().to_list()
    assert reuse.find(CXR, keys).place == {keys[0]: 0, keys[1]: 1}

    (tmp_path / "first" / "train-00000.parquet").unlink()

    assert reuse.find(CXR, keys).place == {keys[1]: 0}
