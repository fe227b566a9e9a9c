"""Chapters of the page, and their way to a sequence of blocks."""

from collections.abc import Sequence
from dataclasses import dataclass

from medpatch.evaluate.figure import Picture
from medpatch.evaluate.page import Block, Bullets, Heading, Image, Paragraph, Subheading
from medpatch.evaluate.table import Table

Item = Paragraph | Bullets | Table | Picture


@dataclass(frozen=True)
class Section:
    """One chapter.

    Attributes:
        title: in the table of contents.
        items: what it holds, in order; a title that repeats the one before is not written again.
    """

    title: str
    items: tuple[Item, ...]


def tables_in(sections: Sequence[Section]) -> tuple[Table, ...]:
    """Every table, in order."""
    return tuple(item for section in sections for item in section.items if isinstance(item, Table))


def pictures_in(sections: Sequence[Section]) -> tuple[Picture, ...]:
    """Every picture, in order."""
    return tuple(item for section in sections for item in section.items if isinstance(item, Picture))


def to_blocks(sections: Sequence[Section], *, figure_dir: str) -> list[Block]:
    """The page's blocks; pictures are read from `figure_dir`, relative to the page. Empty chapters are left out."""
    blocks: list[Block] = []
    for section in sections:
        if not section.items:
            continue
        blocks.append(Heading(section.title))
        headed = {section.title}
        for item in section.items:
            if isinstance(item, Table | Picture) and item.title not in headed:
                blocks.append(Subheading(item.title))
                headed.add(item.title)
            if isinstance(item, Picture):
                blocks.append(Image(f"{figure_dir}/{item.name}.png", item.title, item.caption))
            else:
                blocks.append(item)
    return blocks
