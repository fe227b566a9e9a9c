"""Bodies of the image and note encoders: from a hub name, a local folder, or a stored description."""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from torch import nn

from medpatch.config.error import ConfigError
from medpatch.config.model import TINY
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
        raise _not_there(name, error) from error


@cache
def backbone_revision(name: str) -> str:
    """What tells apart two encoders of one name: the commit of a hub model, the content of a folder.

    Raises:
        ConfigError: it is neither there nor to be had.
    """
    if name == TINY:
        return TINY
    if Path(name).is_dir():
        digest = hashlib.sha256()
        for file in sorted(p for p in Path(name).iterdir() if p.is_file()):
            with file.open("rb") as opened:
                digest.update(file.name.encode() + hashlib.file_digest(opened, "sha256").digest())
        return digest.hexdigest()[:12]
    from transformers import AutoConfig

    try:
        return str(AutoConfig.from_pretrained(name)._commit_hash)
    except (OSError, ValueError) as error:
        raise _not_there(name, error) from error


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


def _not_there(name: str, error: Exception) -> ConfigError:
    return ConfigError(
        f"model.encoder: cannot load {name!r} as a hub name or a local folder ({type(error).__name__}); download it "
        "once where the hub answers, or name local folders by model.encoder.cxr_name, model.encoder.note_name and "
        f"modality.note_tokenizer ('{TINY}' for all three builds small ones)"
    )
