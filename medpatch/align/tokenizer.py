"""The tokenizer of the notes: one from the hub or a folder, or a small word list made from train."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from medpatch.config.error import ConfigError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, UNKNOWN, START, END = SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
"""Ids 0 to 3 of the small tokenizer."""


def build_word_tokenizer(texts: Iterable[str], vocabulary_size: int) -> "PreTrainedTokenizerFast":
    """A lower-cased word list: the most frequent words and punctuation marks of `texts`.

    Ids 0 to 3 are [PAD], [UNK], [CLS], [SEP]; then by falling count, equal counts by code point, so that the
    same texts in any order give the same ids.
    """
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    words.normalizer = normalizers.Lowercase()
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordLevelTrainer(
        vocab_size=vocabulary_size, special_tokens=list(SPECIAL_TOKENS), show_progress=False
    )
    words.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token=PAD, unk_token=UNKNOWN, cls_token=START, sep_token=END
    )


def load_tokenizer(name: str | Path) -> "PreTrainedTokenizerFast":
    """A fast tokenizer from a local folder, the local cache or the hub.

    Raises:
        ConfigError: it is not found, is not a fast one, or has no [CLS], [SEP] and padding token.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(name), use_fast=True)
    except (OSError, ValueError, ImportError) as error:
        raise ConfigError(
            f"modality.note_tokenizer: {str(name)!r} is neither a local folder with a tokenizer nor in the "
            "local cache, and the hub did not give it; name a folder, or 'tiny'"
        ) from error
    lacking = [kind for kind in ("cls_token_id", "sep_token_id", "pad_token_id") if getattr(tokenizer, kind) is None]
    if not tokenizer.is_fast or lacking:
        raise ConfigError(
            f"modality.note_tokenizer: {str(name)!r} is not usable (fast: {tokenizer.is_fast}, without: "
            f"{lacking}); name a BERT-like fast tokenizer"
        )
    return tokenizer
