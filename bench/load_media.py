"""Images and notes: decoding, tokenising, and the first epoch over their shards beside the disk's plain read.

Images are made up in the size of MIMIC-CXR-JPG (about 2,500 x 3,000 pixels); notes are made-up words. Decoding is
compared with the whole image decoded and then resized; tokenising with one call per note; the loader with reading
the same files as bytes, both after the files were dropped from the page cache.

Run: python bench/load_media.py [IMAGES TO DECODE] [STAYS WITH AN IMAGE AND NOTES]
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
from measure import timed
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast
from warehouse import make_events, write_media, write_warehouse

from medpatch.align.channel import read_channels
from medpatch.align.cxr import read_images
from medpatch.align.note import chunk_notes
from medpatch.align.shard import write_shards
from medpatch.align.tokenizer import build_word_tokenizer
from medpatch.config.name import Modality, Split
from medpatch.config.preset import preset
from medpatch.data.dataset import ShardDataset
from medpatch.data.loader import make_loader

SIZE_PX = 384
WORDS_PER_NOTE = 300
BATCH_SIZE = 64


def make_images(folder: Path, count: int, *, width: int, height: int) -> list[Path]:
    """Smooth grey pictures with some noise, as JPEG."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    files = []
    for number in range(count):
        coarse = Image.fromarray(random.integers(0, 255, (24, 20), dtype=np.uint8))
        picture = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=np.int16)
        noisy = np.clip(picture + random.integers(-6, 6, picture.shape, dtype=np.int16), 0, 255).astype(np.uint8)
        files.append(folder / f"{number}.jpg")
        Image.fromarray(noisy).save(files[-1], quality=90)
    return files


def make_notes(count: int) -> list[str]:
    """Texts of made-up words, frequent ones more often."""
    random = np.random.default_rng(0)
    letters = np.array(list("aeioulnrstmcpd"))
    words = np.array(["".join(random.choice(letters, random.integers(3, 12))) for _ in range(5000)])
    place = np.minimum(random.zipf(1.3, (count, WORDS_PER_NOTE)), len(words)) - 1
    return [" ".join(row) + "." for row in words[place]]


def word_pieces(texts: list[str]) -> PreTrainedTokenizerFast:
    """A tokenizer of BERT's kind, trained on the texts."""
    engine = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    engine.normalizer, engine.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    engine.train_from_iterator(
        texts, trainers.WordPieceTrainer(vocab_size=3000, special_tokens=special, show_progress=False)
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=engine, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


def show_decoding(folder: Path, count: int) -> None:
    """Images per second."""
    files = make_images(folder / "large", count, width=2544, height=3056)
    size = sum(file.stat().st_size for file in files) / count / 2**20

    def whole() -> None:
        for file in files:
            with Image.open(file) as image:
                np.asarray(image.convert("L").resize((SIZE_PX, SIZE_PX), Image.Resampling.BILINEAR))

    ours, plain = timed(lambda: read_images(files, SIZE_PX)), timed(whole)
    print(f"{count} images of 2,544 x 3,056 pixels, {size:.1f} MiB each, to {SIZE_PX} x {SIZE_PX}")
    print(f"decoded whole, one by one   {count / plain:10.0f} images/s")
    print(f"decoded small, all cores    {count / ours:10.0f} images/s, ratio {plain / ours:.1f}")


def show_tokenising(count: int) -> None:
    """Notes per second."""
    texts = make_notes(count)
    joined = pl.DataFrame({"stay_id": np.arange(count), "text": texts})
    print(f"{count} notes of {WORDS_PER_NOTE} words, chunks of 512 ids")
    for name, tokenizer in (("words", build_word_tokenizer(texts, 3000)), ("word pieces", word_pieces(texts))):

        def batched(tokenizer: PreTrainedTokenizerFast = tokenizer) -> object:
            return chunk_notes(joined, np.arange(count), tokenizer=tokenizer, chunk_tokens=512, max_chunks=None)

        few = texts[: max(1, count // 10)]

        def one_by_one(tokenizer: PreTrainedTokenizerFast = tokenizer, few: list[str] = few) -> object:
            return [tokenizer(text)["input_ids"] for text in few]

        one = timed(one_by_one) / len(few)
        ours = timed(batched) / count
        print(f"{name + ', one call per note':28}{1 / one:10.0f} notes/s")
        print(f"{name + ', batches':28}{1 / ours:10.0f} notes/s, ratio {one / ours:.1f}")


def show_loading(folder: Path, stays: int) -> None:
    """Batches per second of the first epoch."""
    full = preset("in_hospital_mortality")
    modalities = (Modality.EHR, Modality.CXR, Modality.RR)
    update = {"modalities": modalities, "image_size_px": SIZE_PX, "note_tokenizer": "tiny"}
    config = full.model_copy(update={"modality": full.modality.model_copy(update=update)})
    write_warehouse(folder / "mart", make_events(stays, read_channels(), events_per_stay=50))
    files = make_images(folder / "cxr", min(stays, 50), width=512, height=512)
    write_media(folder / "mart", [file.name for file in files], make_notes(stays))
    write_shards(folder / "mart", folder / "cxr", config=config, out_dir=folder / "tensor", inputs="")
    shards = sorted((folder / "tensor").glob("train-*.parquet"))
    size = sum(file.stat().st_size for file in shards) / 2**20

    def read_bytes() -> None:
        for file in shards:
            file.read_bytes()

    print(f"{stays * 7 // 10} train stays with measurements, image and notes, {size:.0f} MiB of shards")
    plain = _cold(shards, read_bytes)
    print(f"plain read                  {size / plain:10.0f} MiB/s")
    for wanted in ((Modality.CXR,), (Modality.RR,), modalities):
        count = 0

        def epoch(wanted: tuple[Modality, ...] = wanted) -> None:
            nonlocal count
            count = sum(1 for _ in _batches(folder / "tensor", wanted))

        seconds = _cold(shards, epoch)
        name = "+".join(map(str, wanted))
        rate, share = count / seconds, seconds / plain
        print(f"first epoch, {name:14} {rate:10.1f} batches of {BATCH_SIZE}/s, time of the plain read x {share:.2f}")


def _batches(tensor_dir: Path, modalities: tuple[Modality, ...]) -> Iterator[object]:
    dataset = ShardDataset(tensor_dir, Split.TRAIN, modalities=modalities)
    return iter(make_loader(dataset, batch_size=BATCH_SIZE, shuffle=True, seed=0))


def _cold(files: list[Path], work: Callable[[], None]) -> float:
    """Seconds of the work with the files not in memory."""
    for file in files:
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
            os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return timed(work)


def main(images: int, stays: int) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        show_decoding(Path(folder), images)
        show_tokenising(stays)
        show_loading(Path(folder), stays)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40, int(sys.argv[2]) if len(sys.argv) > 2 else 2000)
