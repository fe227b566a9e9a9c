"""Chapter on what the inputs may tell of the outcome, from the configuration alone."""

from medpatch.config.cohort import Correction
from medpatch.config.modality import TextArm
from medpatch.config.name import Modality, Task
from medpatch.config.pipeline import PipelineConfig
from medpatch.evaluate.page import Bullets, Paragraph
from medpatch.evaluate.section import Section

TITLE = "What the inputs may give away"


def leak_section(config: PipelineConfig) -> Section:
    """Every input that may be written after the moment of prediction, or that tells the label, named."""
    return Section(TITLE, (Paragraph(_moment(config)), Bullets(leaks(config))))


def leaks(config: PipelineConfig) -> tuple[str, ...]:
    """One sentence or two per input; which of them hold depends on task, profile, corrections, arms and modalities."""
    modalities = config.modality.modalities
    found = []
    if Modality.RR in modalities:
        found += _of_reports(config)
    if Modality.DN in modalities:
        found.append(
            "DN: the discharge note is written after the stay and often names the diagnoses; the labels are the codes "
            "of the same admission. A result that rests on it does not say what could be known during the stay; the "
            "arm without_dn of `medpatch leaderboard` measures how much rests on it."
        )
    if config.cohort.task is Task.PHENOTYPING:
        found.append(
            "Labels: the codes are assigned at discharge from all that was documented, so conditions may have been "
            "treated, and be visible in every input, before they were coded."
        )
    found.append(
        "EHR and CXR: a measurement counts from the time it was charted, an image from the time it was taken, not "
        "from when the result could be read."
    )
    return tuple(found)


def _moment(config: PipelineConfig) -> str:
    hours = config.cohort.window_hours
    until = f"the first {hours} h of the ICU stay" if hours else "the whole ICU stay"
    return (
        f"The prediction is meant from {until}. What follows, under the extraction profile {config.cohort.profile}, "
        "may have been written or stored later, or tells the outcome itself; read the numbers with it in mind."
    )


def _of_reports(config: PipelineConfig) -> list[str]:
    rules, arms = config.cohort.rules, config.modality.text_arms
    is_known_arm = TextArm.REPORTS_KNOWN_BY_WINDOW_END in arms
    is_limited = config.cohort.window_hours is not None or Correction.REPORT_WINDOW in rules or is_known_arm
    found = []
    if not is_limited:
        found.append(
            "RR: radiology reports of the whole admission are read, also those written after the ICU stay, as in the "
            "published extraction; a later report may name the condition. cohort.corrections=report_window limits them."
        )
    if Correction.REPORT_KNOWN not in rules and not is_known_arm:
        found.append(
            "RR: a report counts from its chart time, and may have been stored, so readable, only after the window "
            "ended. The arm known_by_window_end of `medpatch leaderboard` measures how much rests on that."
        )
    if TextArm.RADIOLOGY_WITHOUT_CXR_REPORTS not in arms and Modality.CXR in config.modality.modalities:
        found.append(
            "RR and CXR: the report of a chest radiograph says in words what the image shows, so the two modalities "
            "are not independent."
        )
    return found
