"""A run with nothing to do is short because it loads nothing that only work needs."""

import subprocess
import sys

import pytest

from medpatch.config.path import REPOSITORY_DIR

FLOW = "flows.pipeline, flows.local, flows.refresh, medpatch.evaluate.terminal, medpatch.model.revision"
COMMAND = "flows.cli, flows.demo, flows.finished, flows.outcome, medpatch.evaluate.terminal, medpatch.model.revision"
HEAVY = {"torch", "transformers", "mlflow", "statsmodels", "scipy", "matplotlib", "great_expectations"}


@pytest.mark.parametrize(("modules", "heavy"), [(FLOW, HEAVY), (COMMAND, {*HEAVY, "prefect"})])
def test_what_a_run_with_nothing_to_do_imports_is_light(modules: str, heavy: set[str]) -> None:
    line = f"import sys, {modules}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", line], cwd=REPOSITORY_DIR, capture_output=True, text=True, check=True)
    assert heavy & set(done.stdout.split()) == set()
