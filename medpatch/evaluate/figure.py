"""What all pictures share: canvas, grid, footer, file."""

from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from medpatch.evaluate.name import MADE_UP

INK = "#222222"
GREY = "#6B6B6B"
GRID = "#E3E3E3"
WARNING_INK = "#A32A00"
DOTS_PER_INCH = 150
PNG_LEVEL = 3
"""Of compression; the default of 6 takes three times as long for files a twentieth smaller."""
FONT = ["DejaVu Sans"]
"""Comes with matplotlib. With a list of fonts, every text is looked up in each of them."""
LINE_INCHES = 0.15
CHARACTERS_PER_INCH = 14


@dataclass(frozen=True)
class Picture:
    """A drawn figure and where it belongs.

    Attributes:
        name: file stem.
        title: heading in the report.
        caption: how to read it.
        figure: what was drawn.
        source: what it was drawn from, where that is not the judged stays.
    """

    name: str
    title: str
    caption: str
    figure: Figure
    source: str | None = None


def canvas(width: float, height: float, *, rows: int = 1, columns: int = 1, **options) -> tuple[Figure, list[Axes]]:
    """An empty figure in inches, without the global state of pyplot, and its axes in reading order."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, columns, squeeze=False, **options).flat)
    for axis in axes:
        tidy(axis)
    return figure, axes


def tidy(axis: Axes) -> None:
    """Light grid, no box, dark readable text."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.spines[["left", "bottom"]].set_color(GREY)
    axis.grid(color=GRID, linewidth=0.7)
    axis.set_axisbelow(True)
    axis.tick_params(colors=INK, labelsize=9, length=3)


def panel_title(axis: Axes, text: str, *, fontsize: float = 9.5) -> None:
    """Heading of a panel, on the left; its height is said, or every drawing would measure all tick labels for it."""
    axis.set_title(text, fontsize=fontsize, color=INK, loc="left", y=1.0)


def save(picture: Picture, folder: Path, *, made_up: str | None, source: str) -> Path:
    """Write the picture as PNG and as SVG, with its source and, for invented data, that statement at the bottom.

    Args:
        picture: what to write.
        folder: where.
        made_up: statement about invented data, or None.
        source: split and counts, in a few words, of a picture that does not say its own.
    """
    figure = picture.figure
    room = int(figure.get_figwidth() * CHARACTERS_PER_INCH)
    warning = wrap(f"{MADE_UP}: {made_up}", room) if made_up else []
    lines = [(line, GREY, "normal") for line in wrap(picture.source or source, room)] + [
        (line, WARNING_INK, "bold") for line in warning
    ]
    line_share = LINE_INCHES / figure.get_figheight()
    share = line_share * (len(lines) + 0.6)
    figure.get_layout_engine().set(rect=(0, share, 1, 1 - share))
    for place, (line, colour, weight) in enumerate(reversed(lines)):
        figure.text(0.01, line_share * (place + 0.3), line, fontsize=7.5, color=colour, va="bottom", fontweight=weight)
    path = folder / f"{picture.name}.png"
    # one layout and one drawing per file; savefig draws twice for each
    figure.set_dpi(DOTS_PER_INCH)
    with rc_context({"font.sans-serif": FONT, "svg.hashsalt": picture.name}):  # the same picture, the same file
        _settle(figure)
        FigureCanvasAgg(figure).print_png(path, pil_kwargs={"compress_level": PNG_LEVEL})
        FigureCanvasSVG(figure).print_svg(path.with_suffix(".svg"), metadata={"Date": None})
    return path


def _settle(figure: Figure) -> None:
    """Everything gets its place, once."""
    for axis in figure.axes:
        for one in (axis.xaxis, axis.yaxis):
            if not one.get_label_text():
                one.set_label_coords(0.5, 0)  # or the place of an empty label is sought beside all tick labels
    figure.get_layout_engine().execute(figure)
    figure.set_layout_engine("none")
