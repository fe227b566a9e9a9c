"""One sequence of blocks, written as Markdown and as a self-contained HTML page."""

import base64
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

from medpatch.evaluate.name import MADE_UP
from medpatch.evaluate.table import Table, to_markdown, words

STYLE = """
:root { --ink: #222; --grey: #666; --rule: #ddd; --warn: #a32a00; --accent: #0072b2; }
body { color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; max-width: 66rem;
       margin: 2rem auto; padding: 0 1.2rem; background: #fff; }
h1 { font-size: 1.7rem; line-height: 1.2; margin-bottom: .3rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; padding-bottom: .2rem; border-bottom: 1px solid var(--rule); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; font-variant-numeric: tabular-nums; min-width: 40%; }
th, td { padding: .32rem .55rem; text-align: right; border-bottom: 1px solid var(--rule); }
td { white-space: nowrap; }
th { font-weight: 600; vertical-align: bottom; border-bottom: 2px solid var(--ink); }
th:first-child, td:first-child, td.words, th.words { text-align: left; }
td.words { white-space: normal; min-width: 5rem; } td:first-child { min-width: 11.5rem; }
tr.strong td { font-weight: 700; background: #eef5fa; }
.caption { color: var(--grey); font-size: .88rem; max-width: 54rem; margin: .5rem 0 0; }
figure { margin: 0; break-inside: avoid; }
img { max-width: 100%; height: auto; }
ul { padding-left: 1.2rem; }
.made-up { color: #fff; background: var(--warn); padding: .5rem .9rem; font-weight: 600; border-radius: 3px; }
@media print {
  @page { size: A4; margin: 18mm 14mm 20mm; }
  body { font-size: 10pt; margin: 0; padding: 0; max-width: none; }
  table { font-size: 7.4pt; } th, td { padding: 2pt 3pt; } td:first-child { min-width: 0; } tr { break-inside: avoid; }
  h2 { break-after: avoid; } .scroll { overflow: visible; }
  .made-up { color: var(--warn); background: none; border: 1pt solid var(--warn); }
}
"""


@dataclass(frozen=True)
class Heading:
    """A section title."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Plain sentences."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Image:
    """A picture in the report's folder.

    Attributes:
        file: name relative to the page.
        alternative: what it shows, for those who cannot see it.
        caption: how to read it.
    """

    file: str
    alternative: str
    caption: str


WORDS, STRONG = ' class="words"', ' class="strong"'

MARK = "Made up. "
"""In front of every caption of a report on invented data, so that no excerpt loses it."""
MARK_EVERY_PAGE = '@page { @bottom-left { content: "MADE UP"; color: #a32a00; font: 700 8pt sans-serif; } }'

Block = Heading | Paragraph | Bullets | Image | Table


def render_markdown(title: str, blocks: Sequence[Block], *, made_up: str | None) -> str:
    """The page in Markdown; pictures are linked."""
    parts = [f"# {title}"]
    blocks = _marked(blocks, made_up)
    if made_up:
        parts.append(f"> **{MADE_UP}:** {made_up}")
    for block in blocks:
        match block:
            case Heading(text):
                parts.append(f"## {text}")
            case Paragraph(text):
                parts.append(text)
            case Bullets(items):
                parts.append("\n".join(f"- {item}" for item in items))
            case Image(file, alternative, caption):
                parts.append(f"![{alternative}]({file})\n\n{caption}")
            case Table():
                parts.append(to_markdown(block).rstrip())
    return "\n\n".join(parts) + "\n"


def render_html(title: str, blocks: Sequence[Block], folder: Path, *, made_up: str | None) -> str:
    """The page in HTML with style and pictures inside, so that the one file can be mailed or archived."""
    banner = f'<p class="made-up">{MADE_UP}: {escape(made_up)}</p>' if made_up else ""
    body = "\n".join(_html(block, folder) for block in _marked(blocks, made_up))
    look = STYLE + (MARK_EVERY_PAGE if made_up else "")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{look}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n{banner}\n{body}\n</body>\n</html>\n"
    )


def _marked(blocks: Sequence[Block], made_up: str | None) -> list[Block]:
    if not made_up:
        return list(blocks)
    return [replace(b, caption=MARK + b.caption) if isinstance(b, Image | Table) else b for b in blocks]


def _html(block: Block, folder: Path) -> str:
    match block:
        case Heading(text):
            return f"<h2>{escape(text)}</h2>"
        case Paragraph(text):
            return f"<p>{escape(text)}</p>"
        case Bullets(items):
            return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"
        case Image(file, alternative, caption):
            content = (folder / file).read_bytes()
            return (
                f'<figure><img width="{_shown_width(content)}" alt="{escape(alternative)}" '
                f'src="data:image/png;base64,{base64.b64encode(content).decode()}">'
                f'<figcaption class="caption">{escape(caption)}</figcaption></figure>'
            )
        case Table():
            return _html_table(block)


def _html_table(table: Table) -> str:

    def cells(row: Sequence[str], tag: str) -> str:
        return "".join(
            f"<{tag}{WORDS if is_words else ''}>{escape(cell)}</{tag}>"
            for cell, is_words in zip(row, words(table), strict=True)
        )

    rows = "\n".join(
        f"<tr{STRONG if place in table.strong else ''}>{cells(row, 'td')}</tr>" for place, row in enumerate(table.rows)
    )
    caption = f'<p class="caption">{escape(table.caption)}</p>' if table.caption else ""
    head = f"<thead><tr>{cells(table.columns, 'th')}</tr></thead>"
    return f'<div class="scroll"><table>{head}\n<tbody>{rows}</tbody></table></div>{caption}'


def _shown_width(png: bytes) -> int:
    """Pixels on the page at which the picture's letters are as large as the table's; PNG says its width in IHDR."""
    return round(struct.unpack(">I", png[16:20])[0] * 0.7)
