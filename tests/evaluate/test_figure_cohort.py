"""The flow chart of a cohort as it is drawn."""

from pathlib import Path

import numpy as np
from matplotlib.text import Annotation, Text

from medpatch.evaluate.figure import save
from medpatch.evaluate.figure_cohort import AttritionStep, cohort_picture
from medpatch.evaluate.suppress import Disclosure

STEPS = (
    AttritionStep("every ICU stay", 5920, 0, 4000),
    AttritionStep("adult", 5700, 220, 3900),
    AttritionStep("at least 48 h in intensive care and in the hospital", 4300, 1400, 3800),
)
HEAD = 10.0
"""Points: longer than the head of an arrow, shorter than an arrow."""
NEAR = 2.0
"""Points between the tip of an arrow and the middle of the line around the box."""


def test_every_arrow_ends_at_the_edge_of_a_box(tmp_path: Path) -> None:
    value = {("stays", "left", n): s.stays_left for n, s in enumerate(STEPS)}
    value |= {("patients", "left", n): s.subjects_left for n, s in enumerate(STEPS)}
    value |= {("stays", "lost", n): s.stays_lost for n, s in enumerate(STEPS)}
    splits = {"train": "3,000", "val": "500", "test": "800"}
    picture = cohort_picture(STEPS, splits, shown=Disclosure(10, value, {}))
    save(picture, tmp_path, made_up=None, source="")  # as it is written, after everything has its place
    axis = picture.figure.axes[0]
    boxes = [t.get_bbox_patch().get_window_extent() for t in axis.texts if isinstance(t, Text) and t.get_bbox_patch()]
    arrows = [t.arrow_patch for t in axis.texts if isinstance(t, Annotation)]
    assert len(boxes) == 1 + 2 * 2 + len(splits)
    assert len(arrows) == 2 * 2 + len(splits)
    # as drawn: the first box, then of each criterion those lost and those left, then the splits
    ends = [(0, 2), (None, 1), (2, 4), (None, 3), (4, 5), (4, 6), (4, 7)]
    near, head = NEAR * picture.figure.dpi / 72, HEAD * picture.figure.dpi / 72
    for arrow, (start, end) in zip(arrows, ends, strict=True):
        points = arrow.get_transform().transform_path(arrow.get_path()).vertices[:-1]  # the last closes the path
        tip = points[np.linalg.norm(points - points[0], axis=1).argmax()]
        assert start is None or edge_distance(boxes[start], points[0]) < near
        assert edge_distance(boxes[end], tip) < near
        assert np.linalg.norm(points[-1] - tip) < head


def edge_distance(box, point: np.ndarray) -> float:
    """Of a point to the nearest edge of a box, in pixels."""
    x, y = point
    outside = np.hypot(max(box.x0 - x, 0, x - box.x1), max(box.y0 - y, 0, y - box.y1))
    inside = min(abs(x - box.x0), abs(x - box.x1), abs(y - box.y0), abs(y - box.y1))
    return float(outside) if outside else float(inside)
