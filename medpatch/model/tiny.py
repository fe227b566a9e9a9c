"""Encoder bodies small enough to train from nothing on two CPU cores, called like those of transformers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from medpatch.config.error import ConfigError
from medpatch.config.model import TINY

IMAGE_WIDTH, NOTE_WIDTH = 32, 64
KERNEL = 5
WORD_DROPOUT, EMBEDDING_STD = 0.3, 0.1
CELLS_PER_SIDE = 8
IMAGE_CHANNELS = 3


@dataclass(frozen=True)
class TinyNoteShape:
    """Fields are named as in the configurations of transformers.

    Attributes:
        vocab_size: ids that have an embedding.
        max_position_embeddings: longest chunk.
        hidden_size: width of a token.
        kernel_size: words that a token sees, itself in the middle.
        word_dropout: share of words that are hidden, drawn anew in every training step.
    """

    vocab_size: int
    max_position_embeddings: int
    hidden_size: int = NOTE_WIDTH
    kernel_size: int = KERNEL
    word_dropout: float = WORD_DROPOUT


class TinyNote(nn.Module):
    """Word embeddings, each corrected by its two neighbours on either side.

    A word and its neighbours ("no", "without") say what there is to say in a small vocabulary. A convolution
    learns that from a thousand notes, where attention from nothing needs more notes and several times the time.
    Hidden words and embeddings that start small keep it from learning a thousand notes by heart.
    """

    kind = "tiny_note"

    def __init__(self, shape: TinyNoteShape) -> None:
        """Take the shape."""
        super().__init__()
        self.config = shape
        width = shape.hidden_size
        self.embedding = nn.Embedding(shape.vocab_size, width)
        nn.init.normal_(self.embedding.weight, std=EMBEDDING_STD)
        self.neighbours = nn.Conv1d(width, width, shape.kernel_size, padding=shape.kernel_size // 2)
        self.mix = nn.Sequential(nn.ReLU(), nn.Linear(width, width))
        self.norm = nn.LayerNorm(width)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        """`last_hidden_state` (R, L, D) from ids and mask (R, L); padding is silent, like the end of a chunk."""
        seen = attention_mask
        if self.training:
            seen = seen * (torch.rand(seen.shape, device=seen.device) >= self.config.word_dropout)
        word = self.embedding(input_ids) * seen.unsqueeze(-1)  # (R, L, D)
        around = self.neighbours(word.transpose(1, 2)).transpose(1, 2)
        return SimpleNamespace(last_hidden_state=self.norm(word + self.mix(around)))


@dataclass(frozen=True)
class TinyImageShape:
    """Shape of a TinyImage.

    Attributes:
        image_size: side, pixels.
        hidden_size: width of a token.
    """

    image_size: int
    hidden_size: int = IMAGE_WIDTH


class TinyImage(nn.Module):
    """Convolutions down to 8 x 8 cells that know their place; the first token is the maximum over the cells.

    A few hundred images teach a convolution textures, but not a vision transformer.
    """

    kind = "tiny_image"

    def __init__(self, shape: TinyImageShape) -> None:
        """Take the shape.

        Raises:
            ConfigError: the side cannot be halved down to eight.
        """
        super().__init__()
        self.config = shape
        halvings = (shape.image_size // CELLS_PER_SIDE).bit_length() - 1
        if halvings < 1 or CELLS_PER_SIDE << halvings != shape.image_size:
            raise ConfigError(
                f"modality.image_size_px: the '{TINY}' image encoder halves the image down to {CELLS_PER_SIDE} "
                f"cells per side, which {shape.image_size} does not allow; use 16, 32, 64, 128, ..."
            )
        width, layers = shape.hidden_size, []
        channels = [IMAGE_CHANNELS, width // 2, *[width] * (halvings - 1)]
        for old, new in pairwise(channels):
            layers += [nn.Conv2d(old, new, KERNEL, stride=2, padding=KERNEL // 2), nn.GELU()]
        self.cells = nn.Sequential(*layers, nn.Conv2d(channels[-1], width, 3, padding=1))
        self.position = nn.Parameter(0.02 * torch.randn(1, CELLS_PER_SIDE**2, width))
        self.mix = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.norm = nn.LayerNorm(width)

    def forward(self, pixel_values: Tensor, interpolate_pos_encoding: bool) -> SimpleNamespace:
        """`last_hidden_state` (B, 65, D) from pixels (B, 3, H, H); the size is fixed, nothing is interpolated."""
        cell = self.cells(pixel_values).flatten(2).transpose(1, 2) + self.position  # (B, 64, D)
        cell = self.norm(cell + self.mix(cell))
        return SimpleNamespace(last_hidden_state=torch.cat([cell.amax(dim=1, keepdim=True), cell], dim=1))


TinyBody = TinyNote | TinyImage


def describe_tiny(body: TinyBody) -> dict[str, Any]:
    """The shape as plain values."""
    return asdict(body.config) | {"model_type": body.kind}


def restore_tiny(description: Mapping[str, Any]) -> TinyBody | None:
    """The untrained network that `describe_tiny` described; None for a description of another kind."""
    fields = {key: value for key, value in description.items() if key != "model_type"}
    if description["model_type"] == TinyNote.kind:
        return TinyNote(TinyNoteShape(**fields))
    if description["model_type"] == TinyImage.kind:
        return TinyImage(TinyImageShape(**fields))
    return None
