"""What a run knows about itself, and the record of every time its test split was looked at."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from medpatch.config.error import ContractError
from medpatch.config.name import Modality
from medpatch.config.pipeline import PipelineConfig


@dataclass(frozen=True)
class TestRead:
    """One look at the test split.

    Attributes:
        time: UTC, ISO 8601, to the second.
        step: "predict", "report" or "leaderboard".
        run: digest of the configuration.
        stays: of the test split.
    """

    __test__ = False  # not for pytest to collect

    time: str
    step: str
    run: str
    stays: int


@dataclass(frozen=True)
class Dropped:
    """A modality that was asked for and that no model of the run uses.

    Attributes:
        modality: which.
        reason: why, in words.
    """

    modality: Modality
    reason: str

    @property
    def words(self) -> str:
        """One sentence without its full stop."""
        return f"{self.modality.upper()} is left out of every model: {self.reason}"


@dataclass(frozen=True)
class RunFacts:
    """Where the numbers come from.

    Attributes:
        preset: the configuration started from it.
        run: digest of the configuration and the raw files.
        data: digest of everything before training.
        commit: of the code; with "+" where files differed from it.
        seeds: training seeds.
        dropped: modalities asked for that the raw files lack, or that too few train stays have.
        reads: every look at this test split so far, this one included.
    """

    preset: str
    run: str
    data: str
    commit: str
    seeds: tuple[int, ...]
    dropped: tuple[Dropped, ...] = ()
    reads: tuple[TestRead, ...] = ()


def as_used(config: PipelineConfig, facts: RunFacts | None) -> PipelineConfig:
    """The configuration with the modalities that the models use, those that were dropped taken out."""
    dropped = {one.modality for one in facts.dropped} if facts else set()
    kept = tuple(m for m in config.modality.modalities if m not in dropped)
    return config.model_copy(update={"modality": config.modality.model_copy(update={"modalities": kept})})


def record_read(ledger: Path, *, step: str, run: str, stays: int) -> tuple[TestRead, ...]:
    """Add a look at the test split to the ledger of its data; all of them, oldest first.

    One ledger serves every configuration that looks at the same test stays.

    Raises:
        ContractError: the ledger is unreadable.
    """
    read = TestRead(time=datetime.now(UTC).isoformat(timespec="seconds"), step=step, run=run, stays=stays)
    ledger.parent.mkdir(parents=True, exist_ok=True)
    with ledger.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(read)) + "\n")
    return read_ledger(ledger)


def read_ledger(ledger: Path) -> tuple[TestRead, ...]:
    """Every recorded look, oldest first; none where there is no ledger. Errors as `record_read`."""
    if not ledger.is_file():
        return ()
    try:
        return tuple(TestRead(**json.loads(line)) for line in ledger.read_text(encoding="utf-8").splitlines())
    except (ValueError, TypeError) as error:
        raise ContractError(f"{ledger}: a line is not a test read ({error}); restore or remove that line") from error
