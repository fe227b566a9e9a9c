"""One small made-up tree for all tests of this folder, and the plan it was written from."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from medpatch.synthetic.chunk import Chunk
from medpatch.synthetic.timeline import draw_chunk
from medpatch.synthetic.write import write_tree

SUBJECTS, SEED = 256, 3


@dataclass(frozen=True)
class Tree:
    """A written tree and the single chunk it consists of."""

    root: Path
    chunk: Chunk

    def table(self, name: str) -> pl.DataFrame:
        """A table as text, every quoted line break kept."""
        return pl.read_csv(self.root / f"{name}.csv.gz", infer_schema=False)


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    root = tmp_path_factory.mktemp("synthetic") / "tree"
    write_tree(root, subjects=SUBJECTS, seed=SEED)
    return Tree(root, draw_chunk(np.random.default_rng([SEED, 0]), 0, count=SUBJECTS))
