"""Results as tables of text, and their Markdown, CSV and LaTeX."""

import csv
import io
import math
from dataclasses import dataclass, replace

import pandas as pd

from medpatch.evaluate.estimate import DIGITS, Estimate

ABSENT = "–"
LATEX_SIGNS = {"−": "$-$", "–": "--", "≥": "$\\geq$", "≤": "$\\leq$", "×": "$\\times$"}
"""Signs that pdflatex does not know by itself."""


@dataclass(frozen=True)
class Table:
    """Rows of text under named columns.

    Attributes:
        name: file stem.
        title: heading.
        columns: names; the first column is words, the others are numbers.
        rows: one tuple per row.
        caption: what the columns mean.
        strong: numbers of the rows to emphasise.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str
    strong: tuple[int, ...] = ()


def to_markdown(table: Table) -> str:
    """The table in Markdown, caption below."""
    head = "| " + " | ".join(table.columns) + " |"
    rule = "|" + "|".join(":---" if is_words else "---:" for is_words in words(table)) + "|"
    body = [
        "| " + " | ".join(_bold(cell, i in table.strong) for cell in row) + " |" for i, row in enumerate(table.rows)
    ]
    return "\n".join([head, rule, *body]) + (f"\n\n{table.caption}\n" if table.caption else "\n")


def to_csv(table: Table) -> str:
    """The table in CSV, without the caption."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([table.columns, *table.rows])
    return out.getvalue()


def to_latex(table: Table, *, note: str = "") -> str:
    """The table in LaTeX with booktabs rules, ready for \\input; `note` is put before the caption."""
    frame = pd.DataFrame(list(table.rows), columns=pd.Index(table.columns))
    look = frame.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis=1)
    if table.strong:
        bold = pd.IndexSlice[list(table.strong), :]
        look = look.set_properties(subset=bold, **{"textbf": "--rwrap"})
    text = look.to_latex(
        hrules=True,
        column_format="".join("l" if is_words else "r" for is_words in words(table)),
        caption=_latex(f"{note}{table.title}. {table.caption}"),
        label=f"tab:{table.name}",
        position="htbp",
        position_float="centering",
    )
    for sign, replacement in LATEX_SIGNS.items():
        text = text.replace(sign, replacement)
    return text


def words(table: Table) -> tuple[bool, ...]:
    """Which columns hold words, to be set flush left: the first, and those with a cell that begins with a letter."""
    return tuple(
        place == 0 or any(row[place][:1].isalpha() for row in table.rows) for place in range(len(table.columns))
    )


def number(value: float | None, digits: int = DIGITS) -> str:
    """Fixed digits; a dash where there is no value."""
    return ABSENT if value is None or not math.isfinite(value) else _plain(f"{value:.{digits}f}")


def point(estimate: Estimate, digits: int = DIGITS) -> str:
    """The value alone, with no more digits than the estimate has."""
    return number(estimate.value, min(digits, estimate.digits))


def signed(value: float, digits: int = DIGITS) -> str:
    """Like `number`, with + or −; what is 0 in these digits has neither."""
    return ABSENT if not math.isfinite(value) else _plain(f"{value:+.{digits}f}")


def p_value(value: float | None) -> str:
    """Three digits; "< 0.001" below that."""
    if value is None or not math.isfinite(value):
        return ABSENT
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def percent(value: float | None) -> str:
    """Whole percent."""
    return ABSENT if value is None or not math.isfinite(value) else _plain(f"{value:.0%}")


def count(value: int) -> str:
    """Whole number with thousands separated."""
    return f"{value:,}"


def interval(estimate: Estimate, *, plus: bool = False, digits: int = DIGITS) -> str:
    """Value and interval: "0.842 [0.801, 0.880]"."""
    write, digits = signed if plus else number, min(digits, estimate.digits)
    if not math.isfinite(estimate.value):
        return ABSENT
    return f"{write(estimate.value, digits)} [{write(estimate.low, digits)}, {write(estimate.high, digits)}]"


def as_printed(estimate: Estimate) -> Estimate:
    """The estimate with the digits that tables have.

    An AUROC of many digits over N stays is a fraction whose denominator tells how many of them are positive.
    """
    value, low, high = (round(end, DIGITS) for end in (estimate.value, estimate.low, estimate.high))
    return replace(estimate, value=value, low=low, high=high)


def _plain(text: str) -> str:
    """A number's text with a minus sign, and without any sign in front of a zero."""
    return text.replace("-", "−") if any(digit in text for digit in "123456789") else text.lstrip("+-")


def _bold(cell: str, is_strong: bool) -> str:
    safe = cell.replace("|", "\\|")
    return f"**{safe}**" if is_strong else safe


def _latex(text: str) -> str:
    """Text with LaTeX's own characters escaped."""
    safe = {"\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    safe |= {sign: f"\\{sign}" for sign in "&%$#_"}
    return "".join(safe.get(letter, letter) for letter in text)
