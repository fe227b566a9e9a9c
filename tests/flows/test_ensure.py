"""Two runs at once on one work folder: one makes, the other waits, and both go on from the same folder."""

import subprocess
import sys
import textwrap
from pathlib import Path

from extract.conftest import write_ehr

from medpatch.contract.artifact import is_whole

RUN = """
    import sys, time
    from pathlib import Path
    from flows.ensure import ensure
    from medpatch.config.code import EXTRACT_CODE
    from medpatch.extract.source import find_raw
    from medpatch.extract.staging import build_staging

    raw, work, name = (Path(part) for part in sys.argv[1:])
    target = work / "staging"

    def make():
        (work / f"made-{name}").touch()
        while len(list(work.glob("ready-*"))) < 2:  # the other process is about to want the same folder
            time.sleep(0.01)
        build_staging(find_raw(raw), target, inputs="raw")

    (work / f"ready-{name}").touch()
    print(ensure(target, inputs="raw", packages=EXTRACT_CODE, make=make))
"""


def test_two_processes_that_want_one_folder_make_it_once_and_agree(tmp_path: Path) -> None:
    raw, work = write_ehr(tmp_path / "raw"), tmp_path / "work"
    work.mkdir()
    command = [sys.executable, "-c", textwrap.dedent(RUN), str(raw), str(work)]

    both = [subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True) for name in ("a", "b")]
    out = [process.communicate(timeout=60)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert out[0] == out[1] != ""
    assert len(list(work.glob("made-*"))) == 1
    assert is_whole(work / "staging")
    assert [p.name for p in work.iterdir() if p.name.startswith(".")] == []
