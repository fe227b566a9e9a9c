"""Files cut into pieces of whole records, and the two readers that turn a piece into rows."""

import gzip
from pathlib import Path

import duckdb
import pytest

from medpatch.config.error import RawDataError
from medpatch.extract.header import read_header
from medpatch.extract.piece import count_records, read_pieces
from medpatch.extract.raw_table import RAW_TABLES
from medpatch.extract.register import strict_query
from medpatch.extract.regular import RegularReader

from .conftest import EHR, NOTE_COLUMNS, RADIOLOGY, write_gz
from .test_staging import rows, stage

CHART = RAW_TABLES["chartevents"]
UNMAPPED = 50801
"""An item that the published map selects, and that has no channel."""
HEADER = EHR["icu/chartevents"].split("\n", 1)[0]


def joined(file: Path, piece_bytes: int) -> str:
    return b"".join(piece.data for piece in read_pieces(file, piece_bytes=piece_bytes)).decode()


@pytest.mark.parametrize("piece_bytes", [1, 7, 64, 1000])
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_pieces_joined_are_the_file_without_its_header(tmp_path: Path, piece_bytes: int, suffix: str) -> None:
    file = write_gz(tmp_path / "notes.csv.gz", RADIOLOGY)
    if suffix == ".csv":
        file = file.with_suffix("")
        file.write_text(RADIOLOGY)

    assert joined(file, piece_bytes) == RADIOLOGY.split("\n", 1)[1]


@pytest.mark.parametrize("piece_bytes", [1, 3, 20])
def test_piece_ends_at_a_line_end_outside_quotes(tmp_path: Path, piece_bytes: int) -> None:
    file = write_gz(tmp_path / "a.csv.gz", 'a,b\n1,"x\n""y"",\nz"\n2,w\n3,"\n"\n4,')

    pieces = list(read_pieces(file, piece_bytes=piece_bytes))

    assert all(piece.data.count(b'"') % 2 == 0 for piece in pieces)
    assert all(piece.data.endswith(b"\n") for piece in pieces[:-1])
    assert sum(piece.records for piece in pieces) == 4
    assert [piece.first_record for piece in pieces] == [
        sum(piece.records for piece in pieces[:i]) for i in range(len(pieces))
    ]


def test_several_gzip_members_are_one_file(tmp_path: Path) -> None:
    file = tmp_path / "a.csv.gz"
    file.write_bytes(gzip.compress(b"a,b\n1,") + gzip.compress(b"2\n3,4\n"))

    assert joined(file, 1000) == "1,2\n3,4\n"


@pytest.mark.parametrize("piece_bytes", [4, 1000])
def test_truncated_gzip_is_no_short_file(tmp_path: Path, piece_bytes: int) -> None:
    file = write_gz(tmp_path / "a.csv.gz", "a,b\n" + "1,2\n" * 50)
    file.write_bytes(file.read_bytes()[:-9])

    with pytest.raises(RawDataError, match=r"a\.csv\.gz: the gzip stream ends too early"):
        list(read_pieces(file, piece_bytes=piece_bytes))


def test_gzip_with_another_checksum_is_damaged(tmp_path: Path) -> None:
    file = write_gz(tmp_path / "a.csv.gz", "a,b\n1,2\n")
    content = bytearray(file.read_bytes())
    content[-8] ^= 1
    file.write_bytes(bytes(content))

    with pytest.raises(RawDataError, match=r"a\.csv\.gz: the gzip stream is damaged"):
        list(read_pieces(file))


def test_quote_that_is_never_closed_is_named_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medpatch.extract.piece.LONGEST_RECORD_BYTES", 64)
    file = write_gz(tmp_path / "a.csv.gz", "a,b\n1,2\n" + '3,"x\n' + "4,5\n" * 50)

    with pytest.raises(RawDataError, match=r"a\.csv\.gz, line 3 or after it .*quoted text is not closed"):
        list(read_pieces(file, piece_bytes=16))


def test_null_bytes_are_taken_out_and_counted(tmp_path: Path) -> None:
    (piece,) = read_pieces(write_gz(tmp_path / "a.csv.gz", 'a,b\n1,"x\0y\0"\n'))

    assert (piece.data, piece.null_bytes, piece.records) == (b'1,"xy"\n', 2, 1)


@pytest.mark.parametrize(
    ("text", "records"),
    [
        (RADIOLOGY.removeprefix(NOTE_COLUMNS + "\n"), 2),
        ("", 0),
        ('1,"x\n""y"",\nz"\n2,w', 2),
        ("1,x\r\n2,y\r\n\r\n", 2),
        ('1,"x\n\n\ny"\n\n2,w\n\n', 2),
        ("\n\n1,x", 1),
    ],
)
def test_records_are_lines_outside_quotes_that_hold_something(text: str, records: int) -> None:
    assert count_records(text.encode()) == records


def chart(*fields: str) -> str:
    return f"1,10,100,7,2100-01-02 01:00:00,,{','.join(fields)}\n"


REGULAR = [
    chart("220045", "88", "88", "bpm"),
    chart("220045", "NaN", "", "bpm"),
    chart("220739", "None", "1", ""),
    chart("220739", '"To ""Speech"", then"', "3", ""),
    chart("999999", "12", "12", ""),
    chart("999999", "SR (Sinus Rhythm)", "", ""),
    chart("999999", "n/a", "nan", ""),
    chart("999999", "1e5", "inf", ""),
    "1,,,7,2100-01-02 01:00:00,,220045,88,88,bpm\n",
    '1,10,100,7,,,220045,"",,bpm\n',
]
IRREGULAR = [
    chart("220045", "88", "abc", "bpm"),
    chart("220045", "88", "88"),
    chart("220045", "88", "88", "bpm", "more"),
    chart("220045", '"88"x', "88", "bpm"),
    "1,10.5,100,7,2100-01-02 01:00:00,,220045,88,88,bpm\n",
    "1,10,100,7,2100-01-02,,220045,88,88,bpm\n",
    "1,10,100,7,2100-01-02 01:00:00+02,,220045,88,88,bpm\n",
    chart("220045", "\udcff", "88", "bpm"),
    chart("220045", "8\r8", "88", "bpm"),
    chart("220045", "88", "88", "bpm").replace("01:00:00", "01:00:60"),
    chart("220045", "88", "88", "bpm").replace("2100-", "+2100-"),
    "\n",
]


def read_both(tmp_path: Path, text: str) -> tuple[list[tuple], list[tuple]]:
    """Rows of items 220045 and 220739, and of item 999999 those without a number."""
    file = tmp_path / "chartevents.csv"
    file.write_bytes(f"{HEADER}\n{text}".encode(errors="surrogateescape"))
    (piece,) = read_pieces(file)
    quick = RegularReader(CHART, read_header(file), [220045, 220739], [220045, 999999]).read(piece)
    with duckdb.connect() as connection:
        strict = connection.execute(
            f"FROM ({strict_query(file, CHART, header=read_header(file))}) WHERE itemid IN (220045, 220739) "
            "OR (itemid = 999999 AND value IS NOT NULL AND try_cast(value AS DOUBLE) IS NULL) ORDER BY itemid = 999999"
        ).fetchall()
    return ([] if quick is None else [*quick.mapped.rows(), *quick.others.rows()]), strict


@pytest.mark.parametrize("line", REGULAR)
def test_quick_reader_gives_what_the_strict_one_gives(tmp_path: Path, line: str) -> None:
    quick, strict = read_both(tmp_path, REGULAR[0] + line)

    assert quick == strict


def test_quick_reader_agrees_on_all_lines_at_once(tmp_path: Path) -> None:
    quick, strict = read_both(tmp_path, "".join(REGULAR))

    assert quick == strict
    assert len(strict) == 7


@pytest.mark.parametrize("line", IRREGULAR)
def test_quick_reader_leaves_what_is_unusual_to_the_strict_one(tmp_path: Path, line: str) -> None:
    file = tmp_path / "chartevents.csv"
    file.write_bytes(f"{HEADER}\n{REGULAR[0]}{line}".encode(errors="surrogateescape"))
    (piece,) = read_pieces(file)

    assert RegularReader(CHART, read_header(file), [220045], []).read(piece) is None


@pytest.mark.parametrize("table", ["chartevents", "labevents"])
def test_pieces_read_quickly_are_staged_as_the_query_stages_them(
    raw_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    quick = rows(stage(raw_dir, tmp_path / "quick"), f"stg_{table}", "*")
    monkeypatch.setattr(RegularReader, "read", lambda *_: None)

    strict = rows(stage(raw_dir, tmp_path / "strict"), f"stg_{table}", "*")

    assert quick == strict
    assert len(quick) > 2


@pytest.mark.parametrize("place", ["icu/chartevents", "hosp/labevents"])
@pytest.mark.parametrize("piece_bytes", [150, 2**20])
def test_traces_of_text_answers_are_those_of_the_query(
    raw_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, piece_bytes: int
) -> None:
    monkeypatch.setattr("medpatch.extract.piece.read_pieces.__kwdefaults__", {"piece_bytes": piece_bytes})
    monkeypatch.setattr("medpatch.extract.long.MOST_TEXTS", 3)
    texts = ["ERROR", "7", "see note", " 8", "1_0", "inf", "0x1", "1e3", "+5", "5.", "", "n/a", "-", "ERROR", ".", "7"]
    cells = [{"subject_id": i, "hadm_id": 10, "itemid": UNMAPPED, "value": text} for i, text in enumerate(texts)]
    names = EHR[place].split("\n", 1)[0].split(",")
    lines = [",".join(str(cell.get(name, "")) for name in names) for cell in cells]
    write_gz(raw_dir / "mimiciv" / f"{place}.csv.gz", EHR[place] + "\n".join(lines) + "\n")
    table = f"stg_{Path(place).name}"

    quick = rows(stage(raw_dir, tmp_path / "quick"), table, "*")
    traces = [row[0] for row in rows(stage(raw_dir, tmp_path / "again"), f"{table} WHERE itemid IS NULL", "subject_id")]
    monkeypatch.setattr(RegularReader, "read", lambda *_: None)
    strict = rows(stage(raw_dir, tmp_path / "strict"), table, "*")

    assert sorted(quick, key=str) == sorted(strict, key=str)
    assert {0, 2, 13} <= set(traces)  # of the words, the repeated one too
    assert not {1, 7, 10, 11, 15} & set(traces)  # numbers and missing values leave none
