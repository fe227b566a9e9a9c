"""One sequence of blocks, written as Markdown and as a self-contained HTML page."""

import base64
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

from medpatch.evaluate.name import MADE_UP
from medpatch.evaluate.page_style import MARK_EVERY_PAGE, STYLE
from medpatch.evaluate.table import Table, to_markdown, words


@dataclass(frozen=True)
class Heading:
    """A section title, which the table of contents lists."""

    text: str


@dataclass(frozen=True)
class Subheading:
    """The title of a table or picture inside a section."""

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


WORDS, LONG_WORDS, STRONG = ' class="words"', ' class="words long"', ' class="strong"'

MARK = "Made up. "
"""In front of every caption of a report on invented data, so that no excerpt loses it."""
TALL, TALL_PIXELS = ' class="tall"', 1100
SHORT_ROWS = 14
"""A table of so many rows is kept on one page of paper."""
WIDE_COLUMNS, UPRIGHT_COLUMNS = 9, 12
"""Columns from which a table is set smaller, and from which its headings are turned so that it stays narrow."""
LONG_CELL = 60
"""Characters from which a cell of words gets room for a sentence."""

Block = Heading | Subheading | Paragraph | Bullets | Image | Table


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
            case Subheading(text):
                parts.append(f"### {text}")
            case Paragraph(text):
                parts.append(text)
            case Bullets(items):
                parts.append("\n".join(f"- {item}" for item in items))
            case Image(file, alternative, caption):
                parts.append(f"![{alternative}]({file})\n\n{caption}")
            case Table():
                parts.append(to_markdown(block).rstrip())
    return "\n\n".join(parts) + "\n"


def render_html(title: str, blocks: Sequence[Block], *, folder: Path, made_up: str | None) -> str:
    """The page in HTML with style and pictures inside, so that the one file can be mailed or archived."""
    banner = f'<p class="made-up">{MADE_UP}: {escape(made_up)}</p>' if made_up else ""
    body = "\n".join(_html(block, folder) for block in _marked(blocks, made_up))
    look = STYLE + (MARK_EVERY_PAGE if made_up else "")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{escape(title)}</title>\n<style>{look}</style>\n</head>\n<body>\n<div class="page">\n'
        f"<header>\n<h1>{escape(title)}</h1>\n{banner}\n</header>\n{_contents(blocks)}\n<main>\n{body}\n</main>\n"
        "</div>\n</body>\n</html>\n"
    )


def _marked(blocks: Sequence[Block], made_up: str | None) -> list[Block]:
    if not made_up:
        return list(blocks)
    return [replace(b, caption=MARK + b.caption) if isinstance(b, Image | Table) else b for b in blocks]


def _contents(blocks: Sequence[Block]) -> str:
    """Links to every section."""
    headings = [block.text for block in blocks if isinstance(block, Heading)]
    links = "".join(f'<li><a href="#{_anchor(text)}">{escape(text)}</a></li>' for text in headings)
    return f'<nav aria-label="Contents"><p>Contents</p><ol>{links}</ol></nav>' if headings else "<nav></nav>"


def _anchor(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.casefold()).strip("-")


def _html(block: Block, folder: Path) -> str:
    match block:
        case Heading(text):
            return f'<h2 id="{_anchor(text)}">{escape(text)}</h2>'
        case Subheading(text):
            return f"<h3>{escape(text)}</h3>"
        case Paragraph(text):
            return f"<p>{_text(text)}</p>"
        case Bullets(items):
            return "<ul>" + "".join(f"<li>{_text(item)}</li>" for item in items) + "</ul>"
        case Image(file, alternative, caption):
            content = (folder / file).read_bytes()
            return (
                f'<figure><img{TALL if _is_tall(content) else ""} width="{_shown_width(content)}" '
                f'alt="{escape(alternative)}" '
                f'src="data:image/png;base64,{base64.b64encode(content).decode()}">'
                f'<figcaption class="caption">{_text(caption)}</figcaption></figure>'
            )
        case Table():
            return _html_table(block)


def _html_table(table: Table) -> str:

    def cells(row: Sequence[str], tag: str) -> str:
        return "".join(
            f"<{tag}{_look(cell, is_words)}>{_breakable(cell, tag)}</{tag}>"
            for cell, is_words in zip(row, words(table), strict=True)
        )

    rows = "\n".join(
        f"<tr{STRONG if place in table.strong else ''}>{cells(row, 'td')}</tr>" for place, row in enumerate(table.rows)
    )
    caption = f'<p class="caption">{_text(table.caption)}</p>' if table.caption else ""
    head = f"<thead><tr>{cells(table.columns, 'th')}</tr></thead>"
    look = [name for name, holds in _table_looks(table).items() if holds]
    named = f' class="{" ".join(look)}"' if look else ""
    return f'<div class="scroll"><table{named}>{head}\n<tbody>{rows}</tbody></table></div>{caption}'


def _table_looks(table: Table) -> dict[str, bool]:
    columns = len(table.columns)
    return {
        "short": len(table.rows) <= SHORT_ROWS,
        "wide": columns >= WIDE_COLUMNS,
        "upright": columns >= UPRIGHT_COLUMNS and not any(words(table)[1:]),
    }


def _breakable(cell: str, tag: str) -> str:
    """The text, breakable between a value and its interval but not inside it; a heading in one piece."""
    text = re.sub(r"\[[^\]]*\]|\([\d., \u2212]+\)", lambda found: found.group().replace(" ", "\u00a0"), _text(cell))
    return f"<span>{text}</span>" if tag == "th" else text


def _text(text: str) -> str:
    """Escaped; what stands between backticks is a command."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _look(cell: str, is_words: bool) -> str:
    if not is_words:
        return ""
    return LONG_WORDS if len(cell) >= LONG_CELL else WORDS


def _is_tall(png: bytes) -> bool:
    """Whether the picture needs a page of paper of its own to be read; PNG says its height in IHDR."""
    return struct.unpack(">I", png[20:24])[0] > TALL_PIXELS


def _shown_width(png: bytes) -> int:
    """Pixels on the page at which the picture's letters are as large as the table's; PNG says its width in IHDR."""
    return round(struct.unpack(">I", png[16:20])[0] * 0.7)
