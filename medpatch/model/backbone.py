"""Bodies of the image and note encoders: from a hub name, a local folder, or a stored description."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from medpatch.model.revision import not_there
from medpatch.model.tiny import TinyImage, TinyNote, describe_tiny, restore_tiny


def load_backbone(name: str) -> nn.Module:
    """The pretrained transformer of that hub name or local folder, without its pooling layer.

    Raises:
        ConfigError: it cannot be loaded.
    """
    from transformers import AutoModel

    try:
        return AutoModel.from_pretrained(name, add_pooling_layer=False)
    except (OSError, ValueError) as error:
        raise not_there(name, error) from error


def restore_backbone(description: Mapping[str, Any]) -> nn.Module:
    """The network that `describe_backbone` described, with untrained weights and no download."""
    tiny = restore_tiny(description)
    if tiny is not None:
        return tiny
    from transformers import AutoConfig, AutoModel

    fields = {key: value for key, value in description.items() if key != "model_type"}
    config = AutoConfig.for_model(description["model_type"], **fields)
    return AutoModel.from_config(config, add_pooling_layer=False)


def describe_backbone(backbone: nn.Module) -> dict[str, Any]:
    """The shape of a backbone as plain values."""
    if isinstance(backbone, TinyNote | TinyImage):
        return describe_tiny(backbone)
    return backbone.config.to_diff_dict() | {"model_type": backbone.config.model_type}
