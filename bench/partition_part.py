"""Tokens of a split for `bench/partition.py`, and at which of them the generator has put evidence of a label."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor, nn

from medpatch.align.tokenizer import load_tokenizer
from medpatch.config.name import Modality, Split
from medpatch.contract.batch import Tokens
from medpatch.data.dataset import ShardDataset
from medpatch.data.loader import make_loader
from medpatch.model.feature import Features, ModalityFeature
from medpatch.model.present import encode_present
from medpatch.model.unimodal import Unimodal
from medpatch.synthetic.evidence import emissions
from medpatch.synthetic.picture import FIELDS
from medpatch.synthetic.state import DEATH, SEVERITY
from medpatch.synthetic.wording import filler_sentences, phrases

BATCH = 64
CELLS, CELLS_PER_FIELD = 8, 2
NOTES = (Modality.RR, Modality.DN)


@dataclass(frozen=True)
class Part:
    """One split.

    Attributes:
        tokens: per modality.
        word: ids (n, N) of the notes' tokens.
        table: what shows evidence: (V, K) by id for notes, (N, K) by position for images.
        presence: (n, M).
        label: (n, K).
        stay_id: (n,).
    """

    tokens: Mapping[Modality, Tokens]
    word: Mapping[Modality, Tensor]
    table: Mapping[Modality, Tensor]
    presence: Tensor
    label: Tensor
    stay_id: Tensor


@torch.no_grad()
def read_part(tensor_dir: Path, split: Split, unimodal: Mapping[Modality, Unimodal]) -> Part:
    """All stays of a split through the encoders."""
    tokens: dict[Modality, list[Tokens]] = {m: [] for m in unimodal}
    word: dict[Modality, list[Tensor]] = {m: [] for m in unimodal if m in NOTES}
    presence, label, stay_id = [], [], []
    dataset = ShardDataset(tensor_dir, split, modalities=tuple(unimodal), resident_shards=1)
    for batch in make_loader(dataset, batch_size=BATCH, shuffle=False, seed=0):
        for column, (m, network) in enumerate(unimodal.items()):
            here = batch.presence[:, column]
            network.eval()
            tokens[m].append(encode_present(network.encoder, batch.value[m], mask=batch.mask[m], present=here))
            if m in word:
                word[m].append(batch.value[m].flatten(1))
        presence.append(batch.presence)
        label.append(batch.label)
        stay_id.append(batch.stay_id)
    longest = {m: max(t.value.shape[1] for t in parts) for m, parts in tokens.items()}
    words = {m: torch.cat([padded(w, longest[m]) for w in parts]) for m, parts in word.items()}
    names = dataset.spec.label_names
    table = {m: note_table(m, tensor_dir, names) for m in words}
    if Modality.CXR in unimodal:
        table[Modality.CXR] = image_table(names)
    found = {m: joined(parts, longest[m]) for m, parts in tokens.items()}
    return Part(found, words, table, torch.cat(presence), torch.cat(label), torch.cat(stay_id))


def joined(parts: Sequence[Tokens], longest: int) -> Tokens:
    """Tokens of many batches under one padding."""
    return Tokens(
        torch.cat([nn.functional.pad(p.value, (0, 0, 0, longest - p.value.shape[1])) for p in parts]),
        torch.cat([padded(p.token_mask, longest) for p in parts]),
        torch.cat([p.pooled for p in parts]),
    )


def padded(value: Tensor, longest: int) -> Tensor:
    """(B, n) -> (B, longest), zeros or False at the end."""
    return nn.functional.pad(value[:, :longest], (0, max(0, longest - value.shape[1])))


def speaks_of(target: str, label: str) -> bool:
    """Whether a symbol of that hidden node is evidence of the label; severity is evidence of everything."""
    return target in (SEVERITY, label) or (target == DEATH and "mortality" in label)


def note_table(modality: Modality, tensor_dir: Path, labels: Sequence[str]) -> Tensor:
    """(V, K) bool: words that stand in sentences about a symbol of the label and in no filler."""
    vocabulary = load_tokenizer(tensor_dir / "tokenizer").get_vocab()
    common = {w for kind in NOTES for s in filler_sentences(kind) for w in words_of(s)}
    table = torch.zeros(len(vocabulary), len(labels), dtype=torch.bool)
    kinds = (modality, Modality.CXR) if modality is Modality.RR else (modality,)
    target = {(kind, e.symbol): e.target for kind in kinds for e in emissions(kind)}
    for (kind, symbol, _), sentences in phrases().items():
        if (kind, symbol) not in target:
            continue
        ids = [vocabulary[w] for s in sentences for w in words_of(s) - common if w in vocabulary]
        for k, label in enumerate(labels):
            if speaks_of(target[kind, symbol], label):
                table[ids, k] = True
    if modality is Modality.DN and "expired" in vocabulary:
        table[vocabulary["expired"]] |= torch.tensor(["mortality" in label for label in labels])
    return table


def words_of(sentence: str) -> set[str]:
    """Its words as the small tokenizer sees them."""
    return set(re.findall(r"\w+", sentence.lower()))


def image_table(labels: Sequence[str]) -> Tensor:
    """(1 + 64, K) bool: cells of the fields in which a finding of the label shows; the first token is no place."""
    table = torch.zeros(CELLS, CELLS, len(labels), dtype=torch.bool)
    for emission in emissions(Modality.CXR):
        row, column, _ = FIELDS[emission.symbol]
        for k, label in enumerate(labels):
            if speaks_of(emission.target, label):
                top, left = row * CELLS_PER_FIELD, column * CELLS_PER_FIELD
                table[top : top + CELLS_PER_FIELD, left : left + CELLS_PER_FIELD, k] = True
    return torch.cat([torch.zeros(1, len(labels), dtype=torch.bool), table.flatten(0, 1)])


def evidence(part: Part, modality: Modality, index: Tensor, table: Tensor) -> Tensor:
    """(B, N, K) 1 where a token of these stays shows evidence."""
    if modality in NOTES:
        return table[part.word[modality][index]].float()
    return table.float().expand(len(index), -1, -1)


def rows(features: Features, index: Tensor) -> Features:
    """Features of some stays."""
    modality = {
        m: ModalityFeature(**{f.name: getattr(one, f.name)[index] for f in fields(one)})
        for m, one in features.modality.items()
    }
    return Features(features.presence[index], modality)


def join_features(pieces: Sequence[Features]) -> Features:
    """Stays of all pieces."""
    modality = {
        m: ModalityFeature(
            **{f.name: torch.cat([getattr(p.modality[m], f.name) for p in pieces]) for f in fields(ModalityFeature)}
        )
        for m in pieces[0].modality
    }
    return Features(torch.cat([p.presence for p in pieces]), modality)
