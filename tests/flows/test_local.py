"""A run with nothing to do is short because it loads nothing that only work needs."""

import subprocess
import sys

from medpatch.config.path import REPOSITORY_DIR

LOADED = """
import sys
import flows.pipeline, flows.local, flows.refresh
import medpatch.evaluate.finished, medpatch.model.revision, medpatch.track.find
heavy = {"torch", "transformers", "mlflow", "statsmodels", "scipy", "matplotlib", "great_expectations"}
print(*sorted(heavy & set(sys.modules)))
"""


def test_what_a_run_with_nothing_to_do_imports_is_light() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED], cwd=REPOSITORY_DIR, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
