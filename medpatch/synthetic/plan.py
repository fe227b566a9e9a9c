"""Everything of a stay that carries information, as symbols, before any of it becomes rows, pixels or words."""

from dataclasses import dataclass

import numpy as np

from medpatch.config.name import Modality
from medpatch.synthetic.evidence import draw_showings, draw_symbols, emissions
from medpatch.synthetic.state import State, draw_state, presence_model

MORTALITY_HOURS = 48.0
SHORTEST_HOURS = 10.0
LONGEST_HOURS = 240.0
ASSESSMENT_RATE = 1 / 6
"""Share of the hours of a stay with a full nursing assessment; only these carry evidence."""
MENTION_RATE = 0.7
"""How often the report of a study states one of its findings, whether found or excluded."""
MARKERS = ("gcs_eye", "temperature")
"""Channels recorded at every assessment and at no other time: they tell which hours may carry evidence."""


@dataclass(frozen=True)
class Plan:
    """N stays as symbols; E emissions of the modality concerned, F image findings.

    Attributes:
        state: hidden state.
        los_hours: (N,) length of the ICU stay.
        phase_hours: (N,) from intime to the first full hour, in (0, 1].
        assess_stay, assess_hour: (R,) stay and hour bin (k, k+1] of each assessment.
        ehr_shown, ehr_recorded: (R, E) what showed, and whether its channel was recorded at all.
        has_cxr, cxr_hour, finding: (N,), (N,), (N, F) the AP study of the first 48 h.
        has_late_cxr, late_cxr_hour, late_finding: the same of an AP study after 48 h.
        has_rr, mention: (N,) a report of that study exists; (N, F) the findings it states.
        report_stay, report_in_window, rr_symbol: (Q,), (Q,), (Q, E) the reports of a stay. The first in
            the window of a stay is the one that also states image findings.
        has_dn, dn_symbol: (N,), (N, E) the discharge note.
    """

    state: State
    los_hours: np.ndarray
    phase_hours: np.ndarray
    assess_stay: np.ndarray
    assess_hour: np.ndarray
    ehr_shown: np.ndarray
    ehr_recorded: np.ndarray
    has_cxr: np.ndarray
    cxr_hour: np.ndarray
    finding: np.ndarray
    has_late_cxr: np.ndarray
    late_cxr_hour: np.ndarray
    late_finding: np.ndarray
    has_rr: np.ndarray
    mention: np.ndarray
    report_stay: np.ndarray
    report_in_window: np.ndarray
    rr_symbol: np.ndarray
    has_dn: np.ndarray
    dn_symbol: np.ndarray

    @property
    def count(self) -> int:
        """N."""
        return len(self.los_hours)

    @property
    def is_long(self) -> np.ndarray:
        """(N,) bool, stays of at least 48 h."""
        return self.los_hours >= MORTALITY_HOURS


def channel_of(symbol: str) -> str:
    """EHR channel of a symbol: "heart_rate_up" shows in "heart_rate"."""
    return symbol.rpartition("_")[0]


def draw_plan(
    rng: np.random.Generator, count: int, *, state: State | None = None, los_hours: np.ndarray | None = None
) -> Plan:
    """`count` stays; with `state` given, symbols for these hidden states instead of new ones.

    `los_hours` (N,) fixes the lengths of stay, for patients who exist already.
    """
    state = state or draw_state(rng, count)
    presence = presence_model()
    level = state.severity
    los = _draw_los(rng, presence.long_stay[level]) if los_hours is None else los_hours
    is_long = los >= MORTALITY_HOURS
    phase = 1.0 - np.floor(rng.random(count) * 3600) / 3600
    stay, hour, shown, recorded = _draw_assessments(rng, state, bins=np.floor(los - phase).astype(int) + 1)

    has_cxr = rng.random(count) < presence.cxr[level, is_long.astype(int)]
    cxr_hour = rng.random(count) * 0.8 * np.minimum(MORTALITY_HOURS, los)
    has_late = has_cxr & (los > MORTALITY_HOURS + 6) & (rng.random(count) < 0.35)
    late_hour = MORTALITY_HOURS + 1 + rng.random(count) * np.maximum(los - MORTALITY_HOURS - 2, 0)

    has_rr = rng.random(count) < presence.rr[level]
    inside = has_rr + (has_rr & (rng.random(count) < 0.45))
    outside = rng.choice(3, size=count, p=[0.70, 0.25, 0.05])
    report_stay = np.repeat(np.arange(count), inside + outside)
    order = np.arange(len(report_stay)) - np.repeat(np.cumsum(inside + outside) - (inside + outside), inside + outside)
    return Plan(
        state=state,
        los_hours=los,
        phase_hours=phase,
        assess_stay=stay,
        assess_hour=hour,
        ehr_shown=shown,
        ehr_recorded=recorded,
        has_cxr=has_cxr,
        cxr_hour=cxr_hour,
        finding=draw_symbols(rng, Modality.CXR, state=state),
        has_late_cxr=has_late,
        late_cxr_hour=late_hour,
        late_finding=draw_symbols(rng, Modality.CXR, state=state),
        has_rr=has_rr,
        mention=rng.random((count, len(emissions(Modality.CXR)))) < MENTION_RATE,
        report_stay=report_stay,
        report_in_window=order < inside[report_stay],
        rr_symbol=draw_symbols(rng, Modality.RR, state=state.take(report_stay)),
        has_dn=rng.random(count) < presence.dn[level],
        dn_symbol=draw_symbols(rng, Modality.DN, state=state),
    )


def _draw_los(rng: np.random.Generator, long_stay: np.ndarray) -> np.ndarray:
    """(N,) hours; whether a stay is long depends on its level, how long within that on nothing."""
    count = len(long_stay)
    is_long = rng.random(count) < long_stay
    short_hours = SHORTEST_HOURS + (MORTALITY_HOURS - SHORTEST_HOURS) * 0.999 * rng.beta(1.5, 1.1, count)
    long_hours = MORTALITY_HOURS + 0.01 + rng.exponential(34.0, count)
    return np.minimum(np.where(is_long, long_hours, short_hours), LONGEST_HOURS)


def _draw_assessments(
    rng: np.random.Generator, state: State, *, bins: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Stay, hour, showings and recorded mask of every assessment; the first hour always has one."""
    count = len(bins)
    hours = np.arange(bins.max(initial=1))
    is_assessed = (rng.random((count, len(hours))) < ASSESSMENT_RATE) | (hours == 0)
    stay, hour = np.nonzero(is_assessed & (hours < bins[:, None]))
    channels = [channel_of(emission.symbol) for emission in emissions(Modality.EHR)]
    names = sorted(set(channels))
    # who has an arterial line, supplemental oxygen, a voice: independent of the hidden state
    share = {"acidity": 0.55, "oxygen_fraction": 0.75, "gcs_verbal": 0.90}
    by_stay = np.stack([rng.random(count) < share.get(name, 1.0) for name in names], axis=1)
    by_row = np.stack([rng.random(len(stay)) < (1.0 if name in MARKERS else 0.93) for name in names], axis=1)
    recorded = (by_stay[stay] & by_row)[:, [names.index(channel) for channel in channels]]
    symbol = draw_symbols(rng, Modality.EHR, state=state)
    shown = draw_showings(rng, Modality.EHR, symbol=symbol, recorded=recorded, stay=stay)
    return stay, hour, shown, recorded
