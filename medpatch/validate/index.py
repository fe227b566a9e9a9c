"""One page that leads to every gate of a work folder; offline, counts only."""

import html
import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from medpatch.contract.artifact import replace_text
from medpatch.validate.report import STYLE

GATE_JSON, GATE_PAGE = "gate.json", "gate.html"
INDEX = Path("gate") / "index.html"


@dataclass(frozen=True)
class GateEntry:
    """One judged artefact folder.

    Attributes:
        name: folder of the gate below the work folder, for example "data-1a2b/2_tensor_gate".
        page: its own page.
        judged: when, in UTC.
        suites: artefacts judged.
        expectations: expectations judged.
        failed: critical ones that did not hold.
        warned: warnings that did not hold.
    """

    name: str
    page: Path
    judged: datetime
    suites: int
    expectations: int
    failed: int
    warned: int


def write_index(work_dir: Path) -> Path:
    """Write gate/index.html of a work folder: every gate, the newest first; the file."""
    out_file = work_dir / INDEX
    out_file.parent.mkdir(parents=True, exist_ok=True)
    entries = sorted(find_gates(work_dir), key=lambda entry: entry.judged, reverse=True)
    rows = "\n".join(_row(entry, out_file.parent) for entry in entries)
    failed = sum(entry.failed > 0 for entry in entries)
    replace_text(
        out_file,
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Gates</title><style>{STYLE}</style></head><body>\n<h1>Gates</h1>\n"
        f"<p>{len(entries)} gates of this work folder, the newest first; {failed} with a critical failure. "
        "A critical failure stops the run, a warning does not. Counts only; no row is shown.</p>\n"
        "<table><thead><tr><th>gate</th><th>outcome</th><th>judged (UTC)</th><th>artefacts</th>"
        f"<th>expectations</th><th>failed</th><th>warnings</th></tr></thead>\n<tbody>\n{rows}\n</tbody></table>\n"
        "</body></html>\n",
    )
    return out_file


def find_gates(work_dir: Path) -> list[GateEntry]:
    """Every finished gate folder below a work folder; those that cannot be read are left out."""
    found = []
    for file in work_dir.glob(f"*/*gate*/{GATE_JSON}"):
        if any(part.startswith(".") for part in file.relative_to(work_dir).parts):
            continue
        try:
            suites = json.loads(file.read_text())["suites"]
            outcomes = [outcome for suite in suites for outcome in suite["expectations"]]
            broken = [outcome["severity"] for outcome in outcomes if not outcome["is_met"]]
        except (OSError, ValueError, KeyError):
            continue
        found.append(
            GateEntry(
                name=str(file.parent.relative_to(work_dir)),
                page=file.with_name(GATE_PAGE),
                judged=datetime.fromtimestamp(file.stat().st_mtime, UTC),
                suites=len(suites),
                expectations=len(outcomes),
                failed=broken.count("critical"),
                warned=broken.count("warning"),
            )
        )
    return found


def _row(entry: GateEntry, index_dir: Path) -> str:
    state, word = (
        ("failed", "failed") if entry.failed else (("warned", "passed, warned") if entry.warned else ("held", "passed"))
    )
    link = html.escape(os.path.relpath(entry.page, index_dir))
    numbers = "".join(
        f'<td class="count">{n:,}</td>' for n in (entry.suites, entry.expectations, entry.failed, entry.warned)
    )
    return (
        f'<tr><td><a href="{link}">{html.escape(entry.name)}</a></td><td class="{state}">{word}</td>'
        f"<td>{entry.judged:%Y-%m-%d %H:%M}</td>{numbers}</tr>"
    )
