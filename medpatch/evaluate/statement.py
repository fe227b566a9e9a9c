"""Sentences of the model card and the checklist, with the run's own facts filled in."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from medpatch.config.cohort import CohortConfig, Correction, SplitConfig
from medpatch.config.name import UNTRAINED, Rival, Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.train import TrainConfig
from medpatch.evaluate.census import ALL, JUDGED, PATIENTS, POSITIVES, STAYS
from medpatch.evaluate.fact import RunFacts
from medpatch.evaluate.judge import Verdict
from medpatch.evaluate.name import STACKING, TASK_WORDS, style
from medpatch.evaluate.suppress import Disclosure
from medpatch.evaluate.table import ABSENT, interval
from medpatch.evaluate.table_result import share_shown

CHECKLIST, CARD = (Path(__file__).with_name(name) for name in ("tripod_ai.csv", "model_card.csv"))


def filled(path: Path, facts: Mapping[str, str], *, made_up: bool) -> list[dict[str, str]]:
    """The rows of a template with {facts} filled in; a `made_up_` column, where not empty, replaces its own."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    found = []
    for row in rows:
        own = {name: text for name, text in row.items() if not name.startswith("made_up_")}
        if made_up:
            own |= {n.removeprefix("made_up_"): text for n, text in row.items() if n.startswith("made_up_") and text}
        found.append({name: text.format_map(facts) for name, text in own.items()})
    return found


def facts_in_words(
    verdict: Verdict, config: PipelineConfig, *, facts: RunFacts | None, made_up: str | None, shown: Disclosure
) -> Mapping[str, str]:
    """What the templates may name."""
    return {**_data(config, made_up=made_up), **_model(verdict, config, facts=facts), **_result(verdict, shown)}


def _data(config: PipelineConfig, *, made_up: str | None) -> dict[str, str]:
    cohort, modality = config.cohort, config.modality
    if cohort.task is Task.IN_HOSPITAL_MORTALITY:
        outcome = "Death between admission and discharge, by the recorded time or date of death."
    else:
        outcome = f"{len(config.labels)} conditions by the billing codes of the admission, assigned at discharge."
    return {
        "task": TASK_WORDS[cohort.task],
        "modalities": ", ".join(m.upper() for m in modality.modalities),
        "rules": rules_in_words(cohort),
        "outcome": outcome,
        "watched": f"the first {cohort.window_hours} h of the ICU stay"
        if cohort.window_hours
        else "the whole ICU stay",
        "min_age": str(cohort.min_age_years),
        "timestep": f"{cohort.timestep_hours:g}",
        "split": _split_in_words(config.split),
        "scaling": str(modality.scaling),
        "image_size": str(modality.image_size_px),
        "chunk": str(modality.note_chunk_tokens),
        "made_up": made_up or "",
    }


def recalibration_in_words(config: PipelineConfig) -> str:
    """Whose calibration validation has helped."""
    helped = [style(STACKING).label] if Rival.STACKING in config.evaluate.rivals else []
    if config.model.fusion.is_late_fitted:
        helped = ["MedPatch's weighted sum of heads", *helped]
    if not helped:
        return "No model is recalibrated; its predictions are judged as training left them."
    return (
        f"Weights and offset of {' and of '.join(helped)} are fitted on validation, which recalibrates; all other "
        "models are judged as training left them."
    )


def rules_in_words(cohort: CohortConfig) -> str:
    """Which extraction rules were in force."""
    if not cohort.rules:
        return "as published"
    if set(cohort.rules) == set(Correction):
        return "with the known mistakes of the published ones repaired"
    return f"as published but for {', '.join(cohort.rules)}"


def rates_in_words(train: TrainConfig, rivals: Sequence[Rival]) -> str:
    """The learning rate, and those of the stages and rivals of the run that have their own."""
    parts = (
        "unimodal",
        "confidence",
        "fusion",
        *(str(r) for r in rivals if r not in {*UNTRAINED, Rival.BOOSTED_TREES}),
    )
    own = [f"{part} {train.rate_of(part):g}" for part in parts if train.rate_of(part) != train.learning_rate]
    return f"{train.learning_rate:g}" + (f" ({', '.join(own)})" if own else "")


def _split_in_words(split: SplitConfig) -> str:
    if split.list_dir:
        return "the published lists of patients"
    by_share = f"at random, {split.val_fraction:.0%} validation, {split.test_fraction:.0%} test, the rest training"
    if split.follows_mimic_cxr:
        return f"MIMIC-CXR's own list for patients with images; the others {by_share}"
    return by_share


def _model(verdict: Verdict, config: PipelineConfig, *, facts: RunFacts | None) -> dict[str, str]:
    train, encoder, judged = config.train, config.model.encoder, config.evaluate
    points = [f"sensitivity {s:.0%}" for s in judged.sensitivities] + [
        f"alerts for {a:.0%}" for a in judged.alert_rates
    ]
    version = f"Code {facts.commit}, run {facts.run}, data {facts.data}." if facts else "The version was not recorded."
    return {
        "model": style(verdict.main.model).label,
        "head": verdict.head,
        "cxr_name": encoder.cxr_name,
        "note_name": encoder.note_name,
        "ehr_width": str(encoder.ehr_width),
        "learning_rate": rates_in_words(train, judged.rivals),
        "batch_size": str(train.batch_size),
        "epochs": f"{train.unimodal_epochs} / {train.confidence_epochs} / {train.fusion_epochs}",
        "patience": str(train.patience_epochs),
        "seeds": ", ".join(map(str, facts.seeds if facts else (train.seed,))),
        "points": ", ".join(points),
        "recalibration": recalibration_in_words(config),
        "version": version,
    }


def _result(verdict: Verdict, shown: Disclosure) -> dict[str, str]:
    score = verdict.main.macro
    stays, subjects, positives = (shown.words((m, JUDGED, ALL)) for m in (STAYS, PATIENTS, POSITIVES))
    whole = (STAYS, JUDGED, ALL)
    share = share_shown((POSITIVES, JUDGED, ALL), whole, shown=shown, times=score.labels_total)
    return {
        "source": verdict.source,
        "stays": stays,
        "subjects": subjects,
        "events": f"{positives} events" + (f" ({share})" if share != ABSENT else ""),
        "auroc": interval(score.auroc),
        "auprc": interval(score.auprc),
        "brier": interval(score.brier),
        "slope": interval(score.slope, digits=2),
    }
