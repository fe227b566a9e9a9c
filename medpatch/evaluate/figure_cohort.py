"""Flow chart of the cohort: stays left after each criterion, stays lost beside it, the splits below."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.text import Text

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
    last = _box(axis, 0.26, y=0.0, text=f"{steps[0].criterion}\n{_left(0, shown)}")
    for place, (number, step) in enumerate(lost, start=1):
        between = -STEP * (place - 0.5)
        text = f"not: {step.criterion}\n{shown.words(('stays', 'lost', number))} stays"
        aside = axis.text(RIGHT, between, text, fontsize=8.5, color=INK, va="center", ha="left", bbox=LOST)
        box = _box(axis, 0.26, y=-STEP * place, text=_left(number, shown))
        _arrow(axis, last, end=box)
        _arrow(axis, (0.26, between), end=aside)
        last = box
    bottom = -STEP * (len(lost) + 1)
    for place, (split, stays) in enumerate(splits.items()):
        x = 0.08 + place * 0.18 if len(splits) > 1 else 0.26
        _arrow(axis, last, end=_box(axis, x, y=bottom, text=f"{split}\n{stays} stays"))
    caption = "ICU stays that are left after each criterion, in the order applied, and those lost at it."
    if kept_all:
        caption += f" Criteria that every stay met: {'; '.join(kept_all)}."
    return Picture("cohort_flow", "Cohort flow", caption, figure, "All ICU stays that were read; every split.")


def _left(number: int, shown: Disclosure) -> str:
    stays, patients = (shown.words((measure, "left", number)) for measure in ("stays", "patients"))
    return f"{stays} stays, {patients} patients"


def _box(axis: Axes, x: float, *, y: float, text: str) -> Text:
    return axis.text(x, y, text, fontsize=9, color=INK, va="center", ha="center", bbox=BOX)


def _arrow(axis: Axes, start: Text | tuple[float, float], *, end: Text) -> None:
    """From the edge of a box, or a point, to the edge of a box drawn before it."""
    is_box = isinstance(start, Text)
    axis.annotate(
        "",
        end.get_position(),
        start.get_position() if is_box else start,
        arrowprops={
            "arrowstyle": "-|>",
            "color": GREY,
            "linewidth": 1.0,
            "shrinkA": 0,
            "shrinkB": 0,
            "patchA": start.get_bbox_patch() if is_box else None,
            "patchB": end.get_bbox_patch(),
        },
    )
