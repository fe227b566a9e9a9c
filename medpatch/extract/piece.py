"""A CSV file as pieces of whole records, inflated faster than the database would."""

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from isal import igzip, isal_zlib

from medpatch.config.error import RawDataError

logger = logging.getLogger(__name__)

PIECE_BYTES = 16 * 2**20
READ_BYTES = 2**20
LONGEST_RECORD_BYTES = 64 * 2**20
_NEITHER_DELIMITER_NOR_QUOTE = bytes(set(range(256)) - set(b',\n"'))


@dataclass(frozen=True)
class Piece:
    """Some consecutive records of a file.

    Attributes:
        number: counts the pieces of the file from 0.
        data: whole records, without the header; each ends in a line feed, whatever the file's lines end in.
        first_record: records of the file before this piece.
        records: records in it.
        is_even: True if each of them has as many fields as the header.
        read_bytes: bytes of the file, as it lies on disk, read so far.
        null_bytes: NUL bytes that were taken out.
    """

    number: int
    data: bytes
    first_record: int
    records: int
    is_even: bool
    read_bytes: int
    null_bytes: int

    @property
    def first_line(self) -> int:
        """Line of its first record, the header being line 1 and a text over several lines one line."""
        return self.first_record + 2


def read_pieces(file: Path, *, piece_bytes: int = PIECE_BYTES) -> Iterator[Piece]:
    """Pieces of up to `piece_bytes`, cut at line ends outside quotes.

    Args:
        file: .csv or .csv.gz; its first line is the header.
        piece_bytes: size of a piece, uncompressed; more only where a single record is longer.

    Raises:
        RawDataError: the gzip stream is truncated or damaged, or a quote is never closed.
    """
    buffer = bytearray(piece_bytes)
    number = records = filled = 0
    with _opened(file) as (stream, packed):
        fields = _count_fields(_read_header(file, stream))
        while True:
            got = _read_into(file, stream, free=memoryview(buffer)[filled : filled + READ_BYTES])
            filled += got
            if got and filled < len(buffer):
                continue
            end = _record_end(buffer, filled) if got else filled
            if end:
                data = bytes(memoryview(buffer)[:end])
                piece = _piece(number, data, fields=fields, first_record=records, read_bytes=packed.tell())
                yield piece
                number, records = number + 1, records + piece.records
                buffer[: filled - end] = buffer[end:filled]
                filled -= end
            elif got and len(buffer) >= LONGEST_RECORD_BYTES:
                raise RawDataError(
                    f"{file}, line {records + 2} or after it (a text over several lines counts as one): a quoted "
                    "text is not closed; download the file again or correct that line"
                )
            elif got:
                buffer += bytes(len(buffer))
            if not got:
                return


def outside_quotes(data: bytes) -> bytes:
    """What stands outside quotes; the quotes themselves are left out too."""
    return data if b'"' not in data else b"".join(data.split(b'"')[::2])


def survey(data: bytes, fields: int) -> tuple[int, bool]:
    """Records, and True if each has that many fields; the last one may lack its line end."""
    # quotes are looked at after all else is gone: a tenth of the text
    delimiters = outside_quotes(data.translate(None, _NEITHER_DELIMITER_NOR_QUOTE))
    if not data.endswith(b"\n"):
        delimiters += b"\n"
    one = b"," * (fields - 1) + b"\n"
    records, rest = divmod(len(delimiters), len(one))
    is_even = fields > 1 and rest == 0 and delimiters == one * records
    return (records if is_even else count_records(data)), is_even


def count_records(data: bytes) -> int:
    """Lines outside quotes that hold anything; the last one may lack its line end."""
    plain = outside_quotes(data)
    if b"\r" in plain:
        return sum(bool(line.strip(b"\r")) for line in plain.split(b"\n"))
    is_end = np.frombuffer(plain, dtype=np.uint8) == ord("\n")
    # a quoted text alone on its line would look blank here, but no table has a single column
    blank = np.count_nonzero(is_end[1:] & is_end[:-1]) + is_end[:1].sum()
    return int(np.count_nonzero(is_end) - blank) + (plain[-1:] not in (b"\n", b""))


def name_null_bytes(file: Path, count: int) -> None:
    """Say what was taken out of a file."""
    if count:
        logger.warning("%s: %d NUL bytes were taken out of its text", file, count)


def lost_records(file: Path, pieces: Iterable[Piece], *, fields: int, read: int) -> str:
    """What is wrong where the database read fewer records than end outside quotes.

    Args:
        file: the raw file.
        pieces: what it read.
        fields: of the header.
        read: its records.
    """
    records, lines = 0, "a text over several lines counts as one"
    first = None
    for piece in pieces:
        first = piece.first_line if first is None else first
        records += piece.records
        place = _first_uneven(piece.data, fields)
        if place is not None:
            return (
                f"{file}, line {piece.first_line + place} ({lines}): a quoted text is not closed, or begins in the "
                "middle of a field; download the file again or correct that line"
            )
    return (
        f"{file}, from line {first} on ({lines}): {records} records end there and {read} were read; a quote stands "
        "where none may be: download the file again"
    )


def check_fields(file: Path, piece: Piece, *, fields: int) -> None:
    """Refuse a record of another length than the header, also where the database forgives an empty field at its end.

    Raises:
        RawDataError: names the line.
    """
    place = None if piece.is_even else _first_uneven(piece.data, fields)
    if place is not None:
        raise RawDataError(
            f"{file}, line {piece.first_line + place} (a text over several lines counts as one): another number of "
            "fields than the header has; download the file again or correct that line"
        )


def _first_uneven(data: bytes, fields: int) -> int | None:
    """Place, from 0, of the first record that has not that many fields, or whose last field opens a quote for good."""
    lines = [line for line in outside_quotes(data).split(b"\n") if line.strip(b"\r")]
    uneven = next((place for place, line in enumerate(lines) if line.count(b",") != fields - 1), None)
    is_open = data.count(b'"') % 2 == 1
    return len(lines) - 1 if uneven is None and is_open else uneven


def _piece(number: int, data: bytes, *, fields: int, first_record: int, read_bytes: int) -> Piece:
    null_bytes = data.count(b"\0") if b"\0" in data else 0
    data = data.replace(b"\0", b"") if null_bytes else data
    data = _line_feeds(data)
    records, is_even = survey(data, fields)
    return Piece(number, data, first_record, records, is_even, read_bytes, null_bytes)


def _line_feeds(data: bytes) -> bytes:
    """The records with their carriage returns taken away; those inside a quoted text belong to it and stay."""
    if b"\r" not in data:  # a single byte is looked for thirty times faster than two
        return data
    parts = data.split(b'"')
    parts[::2] = [part.replace(b"\r\n", b"\n") for part in parts[::2]]
    return b'"'.join(parts)


def _record_end(data: bytearray, filled: int) -> int:
    """Just after the last line end outside quotes, or 0; the data start outside quotes."""
    end = data.rfind(b"\n", 0, filled)
    if data.find(b'"', 0, end + 1) < 0:  # a search is five times faster than a count
        return end + 1
    is_open = np.count_nonzero(np.frombuffer(data, dtype=np.uint8, count=end + 1) == ord('"')) & 1
    while end >= 0 and is_open:
        earlier = data.rfind(b"\n", 0, data.rfind(b'"', 0, end))
        is_open ^= data.count(b'"', earlier + 1, end + 1) & 1
        end = earlier
    return end + 1


@contextmanager
def _opened(file: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The content of a file, and the file as it lies on disk."""
    with file.open("rb") as packed:
        if file.suffix != ".gz":
            yield packed, packed
            return
        with igzip.IGzipFile(fileobj=packed, mode="rb") as stream:
            yield stream, packed


def _read_header(file: Path, stream: BinaryIO) -> bytes:
    one, line = bytearray(1), bytearray()
    while _read_into(file, stream, free=memoryview(one)) and one != b"\n":
        line += one
    return bytes(line)


def _count_fields(header: bytes) -> int:
    return outside_quotes(header).count(b",") + 1


def _read_into(file: Path, stream: BinaryIO, *, free: memoryview) -> int:
    """Bytes read, 0 at the end of the file."""
    try:
        return stream.readinto(free)
    except EOFError as error:
        raise RawDataError(
            f"{file}: the gzip stream ends too early: the file is truncated; download the file again"
        ) from error
    except (igzip.BadGzipFile, isal_zlib.error) as error:
        raise RawDataError(f"{file}: the gzip stream is damaged; download the file again") from error
