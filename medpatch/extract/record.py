"""An independent count of the records of a CSV file, to check that a parser kept them all."""

from pathlib import Path

import numpy as np

from medpatch.extract.header import open_csv

CHUNK_BYTES = 4 * 2**20
_QUOTE, _NEWLINE = ord('"'), ord("\n")


def count_records(file: Path) -> int:
    """Records below the header: line ends outside quotes that do not follow another one (a blank line)."""
    records, is_open, last = -1, 0, 0
    with open_csv(file) as stream:
        while chunk := stream.read(CHUNK_BYTES):
            data = np.frombuffer(chunk, dtype=np.uint8)
            # 1 where a quoted text is open; a doubled quote closes and opens it again
            depth = (np.cumsum(data == _QUOTE, dtype=np.int64) + is_open) & 1
            is_end = (data == _NEWLINE) & (depth == 0)
            is_blank = is_end & np.concatenate([[last == _NEWLINE], data[:-1] == _NEWLINE])
            records += int(np.count_nonzero(is_end & ~is_blank))
            is_open, last = int(depth[-1]), int(data[-1])
    return records + (last != _NEWLINE)
