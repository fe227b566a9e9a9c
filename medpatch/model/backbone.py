"""ViT and BERT bodies: from a hub name, a local folder, a stored description, or made small on the spot."""

import logging
from collections.abc import Mapping
from typing import Any

from torch import nn

from medpatch.config.error import ConfigError
from medpatch.config.model import TINY

TINY_WIDTH = 32
TINY_HEADS = 2
TINY_MLP_WIDTH = 64
TINY_VIT_LAYERS = 2
TINY_BERT_LAYERS = 1
TINY_PATCHES_PER_SIDE = 8

logger = logging.getLogger(__name__)


def load_backbone(name: str) -> nn.Module:
    """The pretrained transformer of that hub name or local folder, without its pooling layer.

    Raises:
        ConfigError: it cannot be loaded.
    """
    from transformers import AutoModel

    try:
        return AutoModel.from_pretrained(name, add_pooling_layer=False)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"model.encoder: cannot load {name!r} as a hub name or a local folder ({type(error).__name__}); "
            f"download it once, name its folder, or use '{TINY}'"
        ) from error


def restore_backbone(description: Mapping[str, Any]) -> nn.Module:
    """The network that `describe_backbone` described, with untrained weights and no download."""
    from transformers import AutoConfig, AutoModel

    fields = {key: value for key, value in description.items() if key != "model_type"}
    config = AutoConfig.for_model(description["model_type"], **fields)
    return AutoModel.from_config(config, add_pooling_layer=False)


def describe_backbone(backbone: nn.Module) -> dict[str, Any]:
    """The shape of a backbone as plain values."""
    return backbone.config.to_diff_dict() | {"model_type": backbone.config.model_type}


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


def tiny_bert(vocabulary_size: int, chunk_tokens: int) -> nn.Module:
    """A one-layer BERT for chunks of at most `chunk_tokens` ids."""
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=max(vocabulary_size, 1),
        hidden_size=TINY_WIDTH,
        num_hidden_layers=TINY_BERT_LAYERS,
        num_attention_heads=TINY_HEADS,
        intermediate_size=TINY_MLP_WIDTH,
        max_position_embeddings=chunk_tokens,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    return BertModel(config, add_pooling_layer=False)
