"""What a gate found: one outcome per expectation, counts only."""

from collections.abc import Sequence
from dataclasses import dataclass

from medpatch.config.error import ContractError


@dataclass(frozen=True)
class Outcome:
    """What became of one expectation.

    Attributes:
        name: its own short name inside the suite.
        rule: the Great Expectations type.
        columns: what it looked at.
        why: the reason it exists.
        source: where a limit comes from, or "".
        severity: "critical" or "warning".
        is_met: True if it held.
        checked_count: rows looked at; None for a rule about the table as a whole.
        bad_count: rows that broke it; None where a rule has no row count.
        first_bad: key of one bad row, for example "stay_id 30000017"; "" if none. Errors only, never reports.
        problem: why the rule could not be computed; "" normally.
    """

    name: str
    rule: str
    columns: tuple[str, ...]
    why: str
    source: str
    severity: str
    is_met: bool
    checked_count: int | None
    bad_count: int | None
    first_bad: str = ""
    problem: str = ""


@dataclass(frozen=True)
class GateResult:
    """One suite judged on one artefact.

    Attributes:
        suite: name of the suite.
        artifact: what was judged, for example "ehr_event.parquet".
        judges: which rows the suite looked at, in words.
        remedy: where to look when it fails.
        rows: rows of the judged frame.
        seconds: time it took.
        unit: what one row of the judged frame is, in the plural: "channels".
        outcomes: one per expectation, in the suite's order.
    """

    suite: str
    artifact: str
    judges: str
    remedy: str
    rows: int
    seconds: float
    outcomes: tuple[Outcome, ...]
    unit: str = "rows"

    def failed(self, severity: str) -> tuple[Outcome, ...]:
        """Outcomes of that severity which did not hold."""
        return tuple(o for o in self.outcomes if not o.is_met and o.severity == severity)

    @property
    def is_passed(self) -> bool:
        """True if no critical expectation failed; warnings do not count."""
        return not self.failed("critical")


class GateError(ContractError):
    """A critical expectation failed; `results` holds everything that was judged."""

    def __init__(self, message: str, results: Sequence[GateResult]) -> None:
        super().__init__(message)
        self.results = tuple(results)


def sentence(outcome: Outcome, *, unit: str = "rows") -> str:
    """One outcome as text for an error or a log: counts of `unit`, one key, the reason; no values."""
    where = ", ".join(outcome.columns) or "table"
    if outcome.problem:
        found = f"could not be judged: {outcome.problem}"
    elif outcome.bad_count is None:
        found = "does not hold"
    elif outcome.checked_count is None:
        found = f"{outcome.bad_count} {unit} break it"
    else:
        found = f"{outcome.bad_count} of {outcome.checked_count} {unit} break it"
    first = f" (one is {outcome.first_bad})" if outcome.first_bad else ""
    return f"{outcome.name} [{where}]: {found}{first}. {outcome.why}"


def failure_text(result: GateResult) -> str:
    """All critical failures of one gate as text, ending in what to do."""
    failed = result.failed("critical")
    lines = "".join(f"\n  - {sentence(outcome, unit=result.unit)}" for outcome in failed)
    return (
        f"{result.artifact}: {len(failed)} of {len(result.outcomes)} expectations of "
        f"expectations/{result.suite}.json failed:{lines}\n  What to do: {result.remedy}"
    )
