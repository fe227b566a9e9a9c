"""Chapters on how the numbers came about: provenance, model card, TRIPOD+AI."""

from collections import Counter

from medpatch.config.model import FusionConfig
from medpatch.config.pipeline import PipelineConfig
from medpatch.evaluate.fact import RunFacts
from medpatch.evaluate.judge import Verdict
from medpatch.evaluate.page import Bullets, Paragraph
from medpatch.evaluate.section import Section
from medpatch.evaluate.statement import CARD, CHECKLIST, facts_in_words, filled, recalibration_in_words
from medpatch.evaluate.suppress import Disclosure
from medpatch.evaluate.table import Table, count


def method_section(verdict: Verdict, config: PipelineConfig, *, facts: RunFacts | None) -> Section:
    """What was chosen where, where the numbers come from, and who looked at the test split."""
    chosen = (
        "Chosen on validation: the epochs of encoders and token predictors (on the validation patients that are not "
        "kept for calibration), temperatures (on those that are), and on all of them the epoch of fusion and of every "
        "rival, the best single modality and the thresholds of the operating points. MedPatch's reported output: "
        f"{verdict.head}.",
        _threshold(config.model.fusion),
        recalibration_in_words(config),
        "The test split is predicted once, and judged once per report, from the stored predictions.",
        f"Intervals: {config.evaluate.bootstrap_resamples:,} resamples of patients, all stays of a patient together, "
        f"the same for every model; percentiles at {config.evaluate.interval_level:.0%}, seed {config.evaluate.seed}.",
    )
    if facts is None:
        return Section("How this was evaluated", (Bullets(chosen),))
    return Section("How this was evaluated", (Bullets(chosen), _provenance(facts), *_reads(facts)))


def _threshold(fusion: FusionConfig) -> str:
    start = "The threshold between high- and low-confidence tokens"
    if fusion.high_share is None:
        return f"{start} is fixed at {fusion.threshold:g}."
    if fusion.is_share_chosen:
        return (
            f"{start} is the score that a share of the train tokens reaches; the share is chosen per modality and "
            "label on the validation patients that choose the epoch of the token predictor."
        )
    return f"{start} is the score that {fusion.high_share:.0%} of the train tokens reach."


def card_section(
    verdict: Verdict, config: PipelineConfig, *, facts: RunFacts | None, made_up: str | None, shown: Disclosure
) -> Section:
    """Model card, from the run's own facts.

    Source: Mitchell et al. 2019 (doi:10.1145/3287560.3287596), its headings.
    """
    words = facts_in_words(verdict, config, facts=facts, made_up=made_up, shown=shown)
    rows = tuple((row["heading"], row["answer"]) for row in filled(CARD, words, made_up=made_up is not None))
    return Section("Model card", (Table("model_card", "Model card", ("", "This run"), rows, ""),))


def tripod_section(
    verdict: Verdict, config: PipelineConfig, *, facts: RunFacts | None, made_up: str | None, shown: Disclosure
) -> Section:
    """TRIPOD+AI checklist, filled where the run knows the answer.

    Source: Collins et al. 2024 (doi:10.1136/bmj-2023-078378); the items in our own words.
    """
    words = facts_in_words(verdict, config, facts=facts, made_up=made_up, shown=shown)
    names = ("item", "section", "asks", "status", "answer")
    rows = tuple(tuple(row[n] for n in names) for row in filled(CHECKLIST, words, made_up=made_up is not None))
    tally = Counter(row[3] for row in rows)
    text = (
        f"{len(rows)} items: {tally['filled']} filled from this run, {tally['partly']} in part, {tally['open']} open. "
        "What a run cannot know says so."
    )
    columns = ("Item", "Section", "Asks for", "Status", "This run")
    return Section("TRIPOD+AI checklist", (Paragraph(text), Table("tripod_ai", "TRIPOD+AI", columns, rows, "")))


def _provenance(facts: RunFacts) -> Table:
    rows = (
        ("Preset", facts.preset),
        ("Run digest", facts.run),
        ("Data digest", facts.data),
        ("Code", facts.commit),
        ("Training seeds", ", ".join(map(str, facts.seeds))),
        (
            "Modalities asked for and left out",
            "; ".join(f"{d.modality.upper()} ({d.reason})" for d in facts.dropped) or "none",
        ),
    )
    return Table("provenance", "Where the numbers come from", ("", "This run"), rows, "")


def _reads(facts: RunFacts) -> tuple[Paragraph | Table, ...]:
    if not facts.reads:
        return ()
    times = "once" if len(facts.reads) == 1 else f"{len(facts.reads)} times"
    runs = {read.run for read in facts.reads}
    text = (
        f"The test stays of this data have been looked at {times}, for {len(runs)} "
        f"configuration{'s' if len(runs) > 1 else ''}, this report included. Every further configuration that is tried "
        "against them weakens what the intervals say."
    )
    rows = tuple((read.time, read.step, read.run, count(read.stays)) for read in facts.reads)
    columns = ("Time, UTC", "Step", "Run", "Test stays")
    return (Paragraph(text), Table("test_reads", "Every look at the test split", columns, rows, ""))
