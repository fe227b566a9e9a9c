"""Encoder bodies small enough to train from nothing on two CPU cores."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import Any

from torch import Tensor, nn

from medpatch.config.error import ConfigError
from medpatch.config.model import TINY

TINY_WIDTH = 32
TINY_HEADS = 2
TINY_MLP_WIDTH = 64
TINY_VIT_LAYERS = 2
TINY_PATCHES_PER_SIDE = 8
TINY_KERNEL = 5
TINY_NOTE = "tiny_note"


@dataclass(frozen=True)
class TinyNoteShape:
    """Named as in the configurations of transformers.

    Attributes:
        vocab_size: ids that have an embedding.
        max_position_embeddings: longest chunk.
        hidden_size: width of a token.
        kernel_size: words that a token sees, itself in the middle.
    """

    vocab_size: int
    max_position_embeddings: int
    hidden_size: int = TINY_WIDTH
    kernel_size: int = TINY_KERNEL


class TinyNote(nn.Module):
    """Word embeddings, each corrected by its two neighbours on either side; called like a BERT.

    A word and its neighbours ("no", "without") say what there is to say in a small vocabulary, and a
    convolution learns that from a thousand notes, at a fraction of the cost of attention.
    """

    def __init__(self, shape: TinyNoteShape) -> None:
        """Take the shape."""
        super().__init__()
        self.config = shape
        width = shape.hidden_size
        self.embedding = nn.Embedding(shape.vocab_size, width)
        self.neighbours = nn.Conv1d(width, width, shape.kernel_size, padding=shape.kernel_size // 2)
        self.mix = nn.Sequential(nn.GELU(), nn.Linear(width, width))
        self.norm = nn.LayerNorm(width)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        """`last_hidden_state` (R, L, D) from ids and mask (R, L); padding is silent, like the end of a chunk."""
        word = self.embedding(input_ids) * attention_mask.unsqueeze(-1)  # (R, L, D)
        seen = self.neighbours(word.transpose(1, 2)).transpose(1, 2)
        return SimpleNamespace(last_hidden_state=self.norm(word + self.mix(seen)))

    def describe(self) -> dict[str, Any]:
        """The shape as plain values."""
        return asdict(self.config) | {"model_type": TINY_NOTE}

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> "TinyNote":
        """The network that `describe` described, untrained."""
        return cls(TinyNoteShape(**{k: v for k, v in description.items() if k != "model_type"}))


def tiny_vit(image_size_px: int) -> nn.Module:
    """A two-layer ViT with 8 x 8 patches.

    Raises:
        ConfigError: the image cannot be cut into 8 x 8 patches.
    """
    from transformers import ViTConfig, ViTModel

    if image_size_px % TINY_PATCHES_PER_SIDE:
        raise ConfigError(
            f"modality.image_size_px: the '{TINY}' image encoder cuts {TINY_PATCHES_PER_SIDE} patches per side; "
            f"{image_size_px} is no multiple of {TINY_PATCHES_PER_SIDE}"
        )
    config = ViTConfig(
        hidden_size=TINY_WIDTH,
        num_hidden_layers=TINY_VIT_LAYERS,
        num_attention_heads=TINY_HEADS,
        intermediate_size=TINY_MLP_WIDTH,
        image_size=image_size_px,
        patch_size=image_size_px // TINY_PATCHES_PER_SIDE,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return ViTModel(config, add_pooling_layer=False)
