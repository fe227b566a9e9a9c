"""Flow chart of the cohort: stays left after each criterion, stays lost beside it, the splits below."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from medpatch.evaluate.figure import GREY, INK, Picture, canvas
from medpatch.evaluate.suppress import Disclosure

BOX = {"boxstyle": "round,pad=0.45", "facecolor": "white", "edgecolor": INK, "linewidth": 1.0}
LOST = {**BOX, "edgecolor": GREY}
STEP = 1.0
RIGHT = 0.62


@dataclass(frozen=True)
class AttritionStep:
    """One criterion.

    Attributes:
        criterion: in words; the first says where the count starts.
        stays_left: that meet it and all before.
        stays_lost: that fail it first.
        subjects_left: patients of the stays left.
    """

    criterion: str
    stays_left: int
    stays_lost: int
    subjects_left: int


def cohort_picture(steps: Sequence[AttritionStep], splits: Mapping[str, str], *, shown: Disclosure) -> Picture | None:
    """The flow chart; None without steps.

    Args:
        steps: in the order applied.
        splits: split -> stays of the task, in words.
        shown: which counts may be written.
    """
    if not steps:
        return None
    lost = [(number, step) for number, step in enumerate(steps) if number and step.stays_lost]
    kept_all = [step.criterion for step in steps[1:] if not step.stays_lost]
    height = len(lost) + 1 + bool(splits)
    figure, (axis,) = canvas(8.2, 0.85 * height + 0.6)
    axis.axis("off")
    axis.set(xlim=(0, 1), ylim=(-height + 0.35, 0.5))
    _box(
        axis,
        0.26,
        y=0.0,
        text=f"{steps[0].criterion}\n{_left(0, shown)}",
    )
    for place, (number, step) in enumerate(lost, start=1):
        y, before = -STEP * place, -STEP * (place - 1)
        _arrow(axis, (0.26, before - 0.24), end=(0.26, y + 0.24))
        _arrow(axis, (0.26, (before + y) / 2), end=(RIGHT - 0.02, (before + y) / 2))
        text = f"not: {step.criterion}\n{shown.words(('stays', 'lost', number))} stays"
        axis.text(RIGHT, (before + y) / 2, text, fontsize=8.5, color=INK,
                  va="center", ha="left", bbox=LOST)  # fmt: skip
        _box(axis, 0.26, y=y, text=_left(number, shown))
    bottom = -STEP * len(lost)
    for place, (split, stays) in enumerate(splits.items()):
        x = 0.08 + place * 0.18 if len(splits) > 1 else 0.26
        _arrow(axis, (0.26, bottom - 0.24), end=(x, bottom - STEP + 0.3))
        _box(axis, x, y=bottom - STEP, text=f"{split}\n{stays} stays")
    caption = "ICU stays that are left after each criterion, in the order applied, and those lost at it."
    if kept_all:
        caption += f" Criteria that every stay met: {'; '.join(kept_all)}."
    return Picture("cohort_flow", "Cohort flow", caption, figure, "All ICU stays that were read; every split.")


def _left(number: int, shown: Disclosure) -> str:
    stays, patients = (shown.words((measure, "left", number)) for measure in ("stays", "patients"))
    return f"{stays} stays, {patients} patients"


def _box(axis: Axes, x: float, *, y: float, text: str) -> None:
    axis.text(x, y, text, fontsize=9, color=INK, va="center", ha="center", bbox=BOX)


def _arrow(axis: Axes, start: tuple[float, float], *, end: tuple[float, float]) -> None:
    axis.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": GREY, "linewidth": 1.0})
