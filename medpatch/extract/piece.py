"""A CSV file as pieces of whole records, inflated faster than the database would."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from isal import isal_zlib

from medpatch.config.error import RawDataError

PIECE_BYTES = 32 * 2**20
READ_BYTES = 256 * 2**10
LONGEST_RECORD_BYTES = 64 * 2**20
_GZIP = 31
"""Window bits that mean a gzip header and checksum."""


@dataclass(frozen=True)
class Piece:
    """Some consecutive records of a file.

    Attributes:
        number: counts the pieces of the file from 0.
        data: whole records, without the header.
        first_record: records of the file before this piece.
        records: records in it.
        read_bytes: bytes of the file, as it lies on disk, read so far.
        null_bytes: NUL bytes that were taken out.
    """

    number: int
    data: bytes
    first_record: int
    records: int
    read_bytes: int
    null_bytes: int

    @property
    def first_line(self) -> int:
        """Line of its first record, the header being line 1 and a text over several lines one line."""
        return self.first_record + 2


def read_pieces(file: Path, *, piece_bytes: int = PIECE_BYTES) -> Iterator[Piece]:
    """Pieces of about `piece_bytes`, cut at line ends outside quotes.

    Args:
        file: .csv or .csv.gz; its first line is the header.
        piece_bytes: least size of a piece, uncompressed.

    Raises:
        RawDataError: the gzip stream is truncated or damaged, or a quote is never closed.
    """
    number = records = read_bytes = 0
    rest, blocks, size = b"", [], 0
    for block, read_bytes in _body(file):
        blocks.append(block)
        size += len(block)
        if size < piece_bytes:
            continue
        data = b"".join([rest, *blocks])
        end = _record_end(data)
        data, rest, blocks, size = data[:end], data[end:], [], 0
        if len(rest) > max(LONGEST_RECORD_BYTES, piece_bytes):
            raise RawDataError(
                f"{file}, line {records + 2} or after it (a text over several lines counts as one): a quoted text is "
                "not closed; download the file again or correct that line"
            )
        if data:
            piece = _piece(number, data, records, read_bytes=read_bytes)
            yield piece
            number, records = number + 1, records + piece.records
    if data := b"".join([rest, *blocks]):
        yield _piece(number, data, records, read_bytes=read_bytes)


def outside_quotes(data: bytes) -> bytes:
    """What stands outside quotes; the quotes themselves are left out too."""
    return data if b'"' not in data else b"".join(data.split(b'"')[::2])


def count_records(data: bytes) -> int:
    """Lines outside quotes that hold anything; the last one may lack its line end."""
    plain = outside_quotes(data)
    ends = int(np.count_nonzero(np.frombuffer(plain, dtype=np.uint8) == ord("\n")))
    if b"\n\n" in plain or plain[:1] == b"\n" or b"\r" in plain:
        # a quoted text alone on its line leaves an empty line here, but no table has a single column
        return sum(bool(line.strip(b"\r")) for line in plain.split(b"\n"))
    return ends + (plain[-1:] not in (b"\n", b""))


def _piece(number: int, data: bytes, first_record: int, *, read_bytes: int) -> Piece:
    null_bytes = data.count(b"\0") if b"\0" in data else 0
    if null_bytes:
        data = data.replace(b"\0", b"")
    return Piece(number, data, first_record, count_records(data), read_bytes, null_bytes)


def _record_end(data: bytes) -> int:
    """Just after the last line end outside quotes, or 0; the data start outside quotes."""
    end = data.rfind(b"\n")
    is_open = data.count(b'"', 0, end + 1) & 1
    while end >= 0 and is_open:
        earlier = data.rfind(b"\n", 0, data.rfind(b'"', 0, end))
        is_open ^= data.count(b'"', earlier + 1, end + 1) & 1
        end = earlier
    return end + 1


def _body(file: Path) -> Iterator[tuple[bytes, int]]:
    """What `_inflated` gives, without the first line."""
    head: bytes | None = b""
    for block, read_bytes in _inflated(file):
        if head is None:
            yield block, read_bytes
            continue
        head += block
        end = head.find(b"\n")
        if end >= 0:
            yield head[end + 1 :], read_bytes
            head = None


def _inflated(file: Path) -> Iterator[tuple[bytes, int]]:
    """Blocks of content, each with the bytes of the file read up to there."""
    with file.open("rb") as stream:
        if file.suffix != ".gz":
            while block := stream.read(READ_BYTES):
                yield block, stream.tell()
            return
        member = isal_zlib.decompressobj(wbits=_GZIP)
        is_inside = False
        while packed := stream.read(READ_BYTES):
            while packed:
                try:
                    block = member.decompress(packed)
                except isal_zlib.error as error:
                    raise RawDataError(f"{file}: the gzip stream is damaged; download the file again") from error
                is_inside = not member.eof
                packed = member.unused_data.lstrip(b"\0") if member.eof else b""
                if member.eof:
                    member = isal_zlib.decompressobj(wbits=_GZIP)
                yield block, stream.tell()
        if is_inside:
            raise RawDataError(
                f"{file}: the gzip stream ends too early: the file is truncated; download the file again"
            )
