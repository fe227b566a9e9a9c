"""Report and discharge-note text: sentences that carry a symbol, denials, and many that mean nothing."""

from collections.abc import Iterable
from functools import cache

import numpy as np

from medpatch.config.name import Modality
from medpatch.synthetic.evidence import emissions
from medpatch.synthetic.state import read_parameter

DENIAL_RATE = 0.15
"""How often a symbol that is absent is denied in words; the same whatever the hidden state."""
EXAMS = ("CT ABDOMEN AND PELVIS", "RENAL AND HEPATIC ULTRASOUND", "CT HEAD WITHOUT CONTRAST", "CT NECK")
CHEST = "CHEST (PORTABLE AP)"
HOMES = ("Home", "Home With Service", "Extended Care")
INDICATIONS = ("line placement", "follow up", "routine surveillance", "preoperative planning")


def report_text(
    rng: np.random.Generator, symbol: np.ndarray, *, statements: Iterable[tuple[str, bool]], is_chest: bool
) -> str:
    """A radiology report of 60 to 200 words.

    Args:
        rng: source of the choices.
        symbol: (E,) bool, the report's own symbols.
        statements: image findings it states, with whether they were found.
        is_chest: a chest radiograph, or another examination.
    """
    said = [_phrase(rng, Modality.CXR, symbol=name, is_present=found) for name, found in statements]
    own = _own_sentences(rng, Modality.RR, symbol=symbol)
    filler = _filler(rng, Modality.RR, count=int(rng.integers(4, 8)))
    exam = CHEST if is_chest else str(rng.choice(EXAMS))
    findings = _shuffled(rng, [*said, *filler[2:]])
    impression = _shuffled(rng, own)
    return "\n".join([
        f"EXAMINATION:  {exam}", "", f"INDICATION:  ___ year old with acute illness  // {rng.choice(INDICATIONS)}",
        "", f"TECHNIQUE:  {filler[0]}", "", "FINDINGS: ", "", _wrapped(findings or filler[:1]), "",
        "IMPRESSION: ", "", _wrapped([*impression, filler[1]]), "",
    ])  # fmt: skip


def addendum_text(rng: np.random.Generator) -> str:
    """An addendum without evidence."""
    return "\n".join(["ADDENDUM  ", "", _wrapped(_filler(rng, Modality.RR, count=2)), ""])


def discharge_text(rng: np.random.Generator, symbol: np.ndarray, *, died: bool, is_female: bool) -> str:
    """A discharge note of 200 to 420 words; its disposition tells the outcome.

    Args:
        rng: source of the choices.
        symbol: (E,) bool, the note's symbols.
        died: in this admission.
        is_female: for the header.
    """
    sentences = _shuffled(rng, _own_sentences(rng, Modality.DN, symbol=symbol))
    filler = _filler(rng, Modality.DN, count=int(rng.integers(13, 21)))
    cut = len(sentences) // 3
    parts = [
        ("Chief Complaint:", ["Critical illness"]),
        ("History of Present Illness:", _shuffled(rng, [*sentences[:cut], *filler[:4]])),
        ("Past Medical History:", _shuffled(rng, [*sentences[cut : 2 * cut], *filler[4:6]])),
        ("Brief Hospital Course:", _shuffled(rng, [*sentences[2 * cut :], *filler[6:-2]])),
        ("Discharge Disposition:", ["Expired" if died else str(rng.choice(HOMES))]),
        ("Followup Instructions:", filler[-2:]),
    ]
    header = (
        " \nName:  ___                     Unit No:   ___\n \nAdmission Date:  ___              "
        f"Discharge Date:   ___\n \nDate of Birth:  ___             Sex:   {'F' if is_female else 'M'}\n \n"
    )
    return header + "\n \n".join(f"{title}\n{_wrapped(body)}" for title, body in parts) + "\n"


def _own_sentences(rng: np.random.Generator, modality: Modality, *, symbol: np.ndarray) -> list[str]:
    denied = rng.random(len(symbol)) < DENIAL_RATE
    return [
        _phrase(rng, modality, symbol=emission.symbol, is_present=bool(present))
        for emission, present, deny in zip(emissions(modality), symbol, denied, strict=True)
        if present or deny
    ]


def _phrase(rng: np.random.Generator, modality: Modality, *, symbol: str, is_present: bool) -> str:
    choices = phrases()[modality, symbol, is_present]
    return choices[int(rng.integers(0, len(choices)))]


def _filler(rng: np.random.Generator, modality: Modality, *, count: int) -> list[str]:
    pool = filler_sentences(modality)
    return [pool[i] for i in rng.permutation(len(pool))[:count].tolist()]


def _shuffled(rng: np.random.Generator, sentences: list[str]) -> list[str]:
    return [sentences[i] for i in rng.permutation(len(sentences)).tolist()]


def _wrapped(sentences: list[str], width: int = 78) -> str:
    """Sentences run together and broken into lines, as the notes are."""
    lines, line = [], ""
    for word in " ".join(sentences).split(" "):
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return "\n".join([*lines, line])


@cache
def phrases() -> dict[tuple[Modality, str, bool], tuple[str, ...]]:
    """(modality, symbol, is present) -> sentences, parameter/phrase.csv."""
    table: dict[tuple[Modality, str, bool], tuple[str, ...]] = {}
    for row in read_parameter("phrase"):
        key = (Modality(row["modality"]), row["symbol"], row["polarity"] == "present")
        table[key] = (*table.get(key, ()), row["text"])
    return table


@cache
def filler_sentences(modality: Modality) -> tuple[str, ...]:
    """Sentences that mean nothing, parameter/filler.csv."""
    return tuple(row["text"] for row in read_parameter("filler") if row["modality"] == modality)
