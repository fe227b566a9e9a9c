"""Every trained model of a run, and how each is run on a split: from cached features wherever it can be."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from medpatch.config.error import CheckpointError
from medpatch.config.name import Modality, Rival, Split
from medpatch.config.train import Head
from medpatch.evaluate.forward import Floats, Forward
from medpatch.evaluate.masking import drops
from medpatch.evaluate.name import MEDPATCH, unimodal
from medpatch.feature.assemble import assemble
from medpatch.feature.dirs import StageDirs
from medpatch.feature.encode import raw_inputs
from medpatch.feature.opening import SplitIndex
from medpatch.feature.split import FeatureFolder, open_features
from medpatch.feature.store import (
    FeatureStore,
    InputStore,
    TokenStore,
    open_feature_store,
    open_input_store,
    open_token_store,
)
from medpatch.feature.table import read_table
from medpatch.model.baseline.boosted_trees import Trees
from medpatch.model.checkpoint import load_medpatch, load_unimodal, read
from medpatch.model.checkpoint_rival import load_rival, load_tree_rival
from medpatch.model.end_to_end import EndToEnd
from medpatch.model.medpatch import MedPatch
from medpatch.model.spec import InputSpec
from medpatch.model.unimodal import Unimodal

HEADS = (Head.LATE, Head.HIGH, Head.LOW)


@dataclass(frozen=True)
class Zoo:
    """Loaded models.

    Attributes:
        medpatch: the fusion model.
        moving: modalities whose encoder in it is no longer that of stage 1, so that cached features do not serve.
        unimodal: stage-1 models.
        rivals: networks by name.
        trees: boosted trees and the modalities that they read, by name.
        spec: facts about the tensors that all were trained on.
        features: what the frozen encoders left.
        pool_dirs: what fusion reads.
        device: where the models are.
    """

    medpatch: MedPatch
    moving: tuple[Modality, ...]
    unimodal: Mapping[Modality, Unimodal]
    rivals: Mapping[str, EndToEnd]
    trees: Mapping[str, tuple[Trees, tuple[Modality, ...]]]
    spec: InputSpec
    features: Mapping[Modality, FeatureFolder]
    pool_dirs: Mapping[Modality, Path]
    device: torch.device

    @property
    def prevalence(self) -> Floats:
        """(K,) share of positive train stays."""
        return np.array(self.spec.prevalence, float)

    @property
    def label_names(self) -> tuple[str, ...]:
        """K names."""
        return self.spec.label_names

    def forwards(self, split: Split, index: SplitIndex, tensor_dir: Path, *, beside: Path, stack: ExitStack) -> Forward:
        """Indices (B,) of stays of the split to the logits of every model by name.

        Args:
            split: which one.
            index: who is in it.
            tensor_dir: shards; read only for models whose encoders moved.
            beside: where what is read of them lies for the time.
            stack: closes it.
        """
        tokens = open_token_store(index, split, features=self.features, unimodal=self.unimodal)
        joint = {Modality(m) for network in self.rivals.values() for m in network.unimodal}
        needed = [m for m in self.unimodal if m in joint or m in self.moving]
        part = {
            m: stack.enter_context(raw_inputs(tensor_dir, split, modality=m, spec=self.spec, beside=beside))
            for m in needed
        }
        raw = {m: open_input_store(index, {m: part[m]}) for m in part}
        still = {m: f for m, f in self.features.items() if m not in self.moving}
        pools = open_feature_store(index, split, features=still, pool_dirs=self.pool_dirs)
        grown = {
            name: torch.from_numpy(trees.logits(read_table(tensor_dir, split, modalities=modalities).value))
            for name, (trees, modalities) in self.trees.items()
        }

        def forward(rows: Tensor) -> Mapping[str, Tensor]:
            return {
                **self._medpatch(pools, raw, rows),
                **{unimodal(m): one.logits for m, one in tokens.take(rows, self.device).modality.items()},
                **{name: self._rival(network, tokens, raw, rows) for name, network in self.rivals.items()},
                **{name: logits[rows] for name, logits in grown.items()},
            }

        return forward

    def late_heads(
        self, split: Split, index: SplitIndex, tensor_dir: Path, *, beside: Path, batch_size: int
    ) -> tuple[Tensor, Tensor]:
        """Logits (N, H, K) of all heads of MedPatch's late one and which of them have input (N, H), for every stay.

        Args:
            split: which one.
            index: who is in it.
            tensor_dir: shards; read only for encoders that moved.
            beside: where what is read of them lies for the time.
            batch_size: stays at a time.
        """
        still = {m: f for m, f in self.features.items() if m not in self.moving}
        pools = open_feature_store(index, split, features=still, pool_dirs=self.pool_dirs)
        heads, has_input = [], []
        with ExitStack() as stack, torch.inference_mode():
            part = {
                m: stack.enter_context(raw_inputs(tensor_dir, split, modality=m, spec=self.spec, beside=beside))
                for m in self.moving
            }
            raw = open_input_store(index, part) if part else None
            for rows in torch.arange(len(index)).split(batch_size):
                features = assemble(self.medpatch, pools, raw=raw, index=rows, device=self.device)
                output = self.medpatch.fuse(features)
                heads.append(output.heads.cpu())
                has_input.append(output.has_input.cpu())
        return torch.cat(heads), torch.cat(has_input)

    def _medpatch(self, pools: FeatureStore, raw: Mapping[Modality, InputStore], rows: Tensor) -> Mapping[str, Tensor]:
        inputs = _together([raw[m] for m in self.moving])
        features = assemble(self.medpatch, pools, raw=inputs, index=rows, device=self.device)
        output = self.medpatch.fuse(features)
        # without a joint module the high and low heads are the missingness one under other names
        heads = HEADS if self.medpatch.fusion.high_joint is not None else (Head.LATE,)
        named = {f"{MEDPATCH}_{head}": getattr(output, head) for head in heads}
        return named | dict(drops(self.medpatch, features))

    def _rival(self, network: EndToEnd, tokens: TokenStore, raw: Mapping[Modality, InputStore], rows: Tensor) -> Tensor:
        inputs = _together([raw[Modality(m)] for m in network.unimodal])
        batch = None if inputs is None else inputs.take(rows).to(self.device)
        return network(batch, tokens.take(rows, self.device)).logits


def load_zoo(
    models: Mapping[str, Path],
    earlier: StageDirs,
    *,
    moving: tuple[Modality, ...] = (),
    device: torch.device | str = "cpu",
    data: str | None = None,
) -> Zoo:
    """MedPatch, its stage-1 models and the rivals.

    Args:
        models: checkpoint folder of "medpatch" and of each rival, by name.
        earlier: folders of the stages before.
        moving: modalities whose encoders the fusion stage moved.
        device: where to put them.
        data: fingerprint of the tensors; a checkpoint trained on others is refused.

    Raises:
        CheckpointError: no MedPatch, a rival under another's name, or a folder that is broken or of other data.
    """
    if MEDPATCH not in models:
        raise CheckpointError(f"found {sorted(models) or 'no checkpoint'}, no MedPatch; run the train step to its end")
    device = torch.device(device)
    about = read(models[MEDPATCH], kind=MEDPATCH, data=data)
    rivals, trees = {}, {}
    for name, folder in models.items():
        if name == Rival.BOOSTED_TREES:
            trees[name] = load_tree_rival(folder, data=data)
        elif name != MEDPATCH:
            rival, rivals[name] = load_rival(folder, device=device, data=data)
            if rival is not Rival(name):
                raise CheckpointError(f"{folder}: a checkpoint of {rival}, not of {name}; remove it and train again")
    return Zoo(
        medpatch=load_medpatch(models[MEDPATCH], device=device, data=data),
        moving=moving,
        unimodal={m: load_unimodal(earlier.unimodal[m], device=device, data=data) for m in earlier.modalities},
        rivals=rivals,
        trees=trees,
        spec=about.spec,
        features={m: open_features(earlier.feature[m], m, data=about.data) for m in earlier.modalities},
        pool_dirs=earlier.pool,
        device=device,
    )


def _together(stores: list[InputStore]) -> InputStore | None:
    """One store of several modalities of the same split."""
    if not stores:
        return None
    return InputStore(
        stores[0].index,
        {m: inputs for store in stores for m, inputs in store.inputs.items()},
        {m: row for store in stores for m, row in store.row.items()},
    )
