"""Which version of an encoder a name stands for; loads no network, so that a run with nothing to do is short."""

import hashlib
from functools import cache
from pathlib import Path

from medpatch.config.error import ConfigError
from medpatch.config.model import TINY


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
        raise not_there(name, error) from error


def not_there(name: str, error: Exception) -> ConfigError:
    """The error for an encoder that cannot be loaded."""
    return ConfigError(
        f"model.encoder: cannot load {name!r} as a hub name or a local folder ({type(error).__name__}); download it "
        "once where the hub answers, or name local folders by model.encoder.cxr_name, model.encoder.note_name and "
        f"modality.note_tokenizer ('{TINY}' for all three builds small ones)"
    )
