"""Gate results for people: JSON, a short Markdown table, and one offline page. Counts only."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medpatch.validate.result import GateResult, Outcome

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1c2733}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin:2rem 0 .25rem}p{margin:.25rem 0 .75rem;color:#51606f}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.4rem .6rem}
th{border-bottom:2px solid #c8d1da;font-weight:600}td{border-bottom:1px solid #e6ebf0}
td.count{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}code{font-size:.9em}
.held{color:#1b6e3c}.failed{color:#a3161f;font-weight:600}.warned{color:#8a5a00;font-weight:600}
.source{display:block;color:#6b7885;font-size:.9em}
"""
WORDS = {"held": "held", "warned": "warning", "failed": "failed"}


def to_json(results: Sequence[GateResult]) -> dict[str, Any]:
    """All results as plain JSON values; no key and no value of a row."""
    return {
        "is_passed": all(result.is_passed for result in results),
        "suites": [_suite_json(result) for result in results],
    }


def to_markdown(results: Sequence[GateResult]) -> str:
    """One line per suite, then one per expectation that did not hold."""
    lines = [
        "| suite | artefact | rows judged | expectations | failed | warnings | seconds |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for r in results:
        lines.append(
            f"| {r.suite} | {r.artifact} | {r.rows:,} | {len(r.outcomes)} | {len(r.failed('critical'))} "
            f"| {len(r.failed('warning'))} | {r.seconds:.2f} |"
        )
    broken = [(r, o) for r in results for o in r.outcomes if not o.is_met]
    if broken:
        lines += [
            "",
            "| artefact | expectation | severity | rows that break it | why it matters |",
            "|---|---|---|---:|---|",
        ]
        lines += [f"| {r.artifact} | {o.name} | {o.severity} | {_count_text(o)} | {o.why} |" for r, o in broken]
    return "\n".join(lines) + "\n"


def write_validation_report(results: Sequence[GateResult], out_file: Path) -> Path:
    """A self-contained page with every expectation, its reason and what came of it; no network needed.

    Returns:
        The file written.
    """
    expectations = sum(len(r.outcomes) for r in results)
    failed = sum(len(r.failed("critical")) for r in results)
    warned = sum(len(r.failed("warning")) for r in results)
    body = "\n".join(_suite_html(result) for result in results)
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Validation report</title><style>{STYLE}</style></head><body>\n"
        f"<h1>Validation report</h1>\n<p>{len(results)} artefacts, {expectations} expectations: "
        f"{failed} failed, warnings: {warned}. Counts only; no row is shown.</p>\n{body}\n</body></html>\n"
    )
    out_file.parent.mkdir(parents=True, exist_ok=True)
    aside = out_file.with_name(f".{out_file.name}.tmp")
    aside.write_text(page, encoding="utf-8")
    aside.replace(out_file)
    return out_file


def _suite_json(result: GateResult) -> dict[str, Any]:
    return {
        "suite": result.suite,
        "artifact": result.artifact,
        "judges": result.judges,
        "rows": result.rows,
        "seconds": round(result.seconds, 3),
        "is_passed": result.is_passed,
        "expectations": [
            {
                "name": o.name,
                "rule": o.rule,
                "columns": list(o.columns),
                "severity": o.severity,
                "is_met": o.is_met,
                "checked_count": o.checked_count,
                "bad_count": o.bad_count,
                "problem": o.problem,
                "why": o.why,
                "source": o.source,
            }
            for o in result.outcomes
        ],
    }


def _suite_html(result: GateResult) -> str:
    rows = "\n".join(_outcome_html(outcome) for outcome in result.outcomes)
    return (
        f"<h2>{html.escape(result.artifact)} &middot; {html.escape(result.suite)}</h2>\n"
        f"<p>Judged: {html.escape(result.judges)} {result.rows:,} rows in {result.seconds:.2f} s.</p>\n"
        "<table><thead><tr><th>expectation</th><th>outcome</th><th>severity</th>"
        "<th>rows that break it</th><th>why</th></tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody></table>"
    )


def _outcome_html(outcome: Outcome) -> str:
    state = "held" if outcome.is_met else ("warned" if outcome.severity == "warning" else "failed")
    source = f'<span class="source">{html.escape(outcome.source)}</span>' if outcome.source else ""
    return (
        f"<tr><td>{html.escape(outcome.name.replace('_', ' '))}<br><code>{html.escape(outcome.rule)}</code></td>"
        f'<td class="{state}">{WORDS[state]}</td><td>{outcome.severity}</td>'
        f'<td class="count">{html.escape(_count_text(outcome))}</td>'
        f"<td>{html.escape(outcome.why)}{source}</td></tr>"
    )


def _count_text(outcome: Outcome) -> str:
    if outcome.problem:
        return outcome.problem
    if outcome.bad_count is None:
        return "-"
    if outcome.checked_count is None:
        return f"{outcome.bad_count:,}"
    return f"{outcome.bad_count:,} of {outcome.checked_count:,}"
