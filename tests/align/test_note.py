"""Notes to chunks of input ids."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from medpatch.align.note import NoteChunks, chunk_notes, join_notes
from medpatch.align.tokenizer import build_word_tokenizer, load_tokenizer
from medpatch.config.error import ConfigError

CLS, SEP = 2, 3
SCHEMA = {"stay_id": pl.Int64, "note_id": pl.String, "note_order": pl.Int64, "text": pl.String}
LETTERS = build_word_tokenizer(["a a a a b b b c c d"], 64)  # a 4, b 5, c 6, d 7


def notes_of(*rows: tuple[int, int, str | None]) -> pl.DataFrame:
    return pl.DataFrame([(s, str(n), n, text) for s, n, text in rows], schema=SCHEMA, orient="row")


def chunks_of(
    *rows: tuple[int, int, str | None], stays: tuple[int, ...] = (1,), size: int = 4, most: int | None = None
) -> list[list[list[int]]]:
    found = chunk_notes(
        join_notes(notes_of(*rows)), np.array(stays), tokenizer=LETTERS, chunk_tokens=size, max_chunks=most
    )
    return unpacked(found)


def unpacked(found: NoteChunks) -> list[list[list[int]]]:
    chunk = [
        found.input_ids[a:b].tolist() for a, b in zip(found.chunk_offset[:-1], found.chunk_offset[1:], strict=True)
    ]
    return [chunk[a:b] for a, b in zip(found.stay_offset[:-1], found.stay_offset[1:], strict=True)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", [[CLS, 4, SEP]]),
        ("a b", [[CLS, 4, 5, SEP]]),
        ("a b c", [[CLS, 4, 5, SEP], [CLS, 6, SEP]]),
        ("a b c d", [[CLS, 4, 5, SEP], [CLS, 6, 7, SEP]]),
    ],
)
def test_a_note_is_cut_from_its_first_word_and_every_chunk_has_both_ends(text: str, expected: list[list[int]]) -> None:
    assert chunks_of((1, 0, text)) == [expected]


def test_a_note_that_is_too_long_keeps_its_last_chunks() -> None:
    assert chunks_of((1, 0, "a b c d a"), most=2) == [[[CLS, 6, 7, SEP], [CLS, 4, SEP]]]
    assert chunks_of((1, 0, "a b c d a"), most=9) == chunks_of((1, 0, "a b c d a"))


def test_the_notes_of_a_stay_are_joined_with_one_blank_in_note_order() -> None:
    joined = join_notes(notes_of((1, 2, "third"), (1, 0, "first"), (2, 0, "other"), (1, 1, "second\n")))
    assert joined.rows() == [(1, "first second third"), (2, "other")]


def test_a_stay_without_words_has_no_chunk() -> None:
    found = chunks_of((1, 0, ""), (2, 0, " \n\t"), (3, 0, None), (4, 0, "a"), stays=(1, 2, 3, 4, 5))
    assert found == [[], [], [], [[CLS, 4, SEP]], []]


def test_no_note_at_all_gives_no_chunk() -> None:
    assert chunks_of(stays=(1, 2)) == [[], []]


def test_the_small_vocabulary_is_ordered_by_count_then_word_whatever_the_order_of_the_texts() -> None:
    texts = ["pear apple", "fig fig", "apple pear kiwi.", "Zebra zebra ___"]
    expected = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "apple", "fig", "pear", "zebra", ".", "___", "kiwi"]
    for order in (texts, texts[::-1]):
        vocabulary = build_word_tokenizer(order, 64).get_vocab()
        assert sorted(vocabulary, key=vocabulary.__getitem__) == expected


def test_the_small_vocabulary_has_the_asked_size_and_other_words_are_unknown() -> None:
    tokenizer = build_word_tokenizer(["a a a b b c"], 6)
    assert len(tokenizer) == 6
    assert tokenizer.backend_tokenizer.encode("A c, b", add_special_tokens=False).ids == [4, 1, 1, 5]


def test_a_saved_tokenizer_reads_back_the_same(tmp_path: Path) -> None:
    LETTERS.save_pretrained(tmp_path)
    again = load_tokenizer(tmp_path)
    assert again.get_vocab() == LETTERS.get_vocab()
    assert (again.pad_token_id, again.cls_token_id, again.sep_token_id) == (0, CLS, SEP)


def test_a_tokenizer_that_is_not_there_is_refused_by_its_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ConfigError, match=r"modality\.note_tokenizer"):
        load_tokenizer(tmp_path / "absent")


def test_a_word_piece_tokenizer_from_a_folder_marks_chunks_with_its_own_ids(tmp_path: Path) -> None:
    words = ["[PAD]", "[UNK]", "[MASK]", "[SEP]", "[CLS]", "clear", "lung", "##s"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    joined = join_notes(notes_of((1, 0, "Clear lungs")))
    found = chunk_notes(joined, np.array([1]), tokenizer=load_tokenizer(tmp_path), chunk_tokens=4, max_chunks=None)
    assert unpacked(found) == [[[4, 5, 6, 3], [4, 7, 3]]]
