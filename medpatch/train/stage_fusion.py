"""Stage 3: what comes after the encoders learns to fuse, on all stays."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor, nn

from medpatch.config.error import ConfigError
from medpatch.config.name import Modality, Split, Stage
from medpatch.config.part import is_frozen
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.train import Select
from medpatch.feature.assemble import Pools, assemble
from medpatch.feature.batching import shuffled
from medpatch.feature.dirs import StageDirs
from medpatch.feature.encode import raw_inputs
from medpatch.feature.opening import SplitIndex, input_spec, open_index
from medpatch.feature.seed import derive_seed, deterministic
from medpatch.feature.split import open_features
from medpatch.feature.store import InputStore, open_feature_store, open_input_store
from medpatch.model.build import build_medpatch
from medpatch.model.checkpoint import load_scorer, load_unimodal, save
from medpatch.model.feature import Features
from medpatch.model.medpatch import MedPatch
from medpatch.model.spec import InputSpec
from medpatch.model.unimodal import Unimodal
from medpatch.train.fit import fit
from medpatch.train.freeze import freeze
from medpatch.train.loss import HeadLoss
from medpatch.train.record import LogMetric, Progress
from medpatch.train.result import StageResult, finish
from medpatch.train.session import open_session
from medpatch.train.stage_unimodal import fit_settings
from medpatch.train.step import fusion_step


def run_fusion(
    config: PipelineConfig,
    tensor_dir: Path,
    *,
    out_dir: Path,
    earlier: StageDirs,
    inputs: str,
    log_metric: LogMetric,
    progress: Progress | None = None,
) -> StageResult:
    """Train the fusion part of MedPatch and write the whole network to `out_dir`.

    With `train.fine_tune` the encoders that are not frozen for good move along; the scorers stay as they are. Every
    val stay chooses the epoch, also those that the temperatures were fitted on; then the weights of the late head are
    fitted on them.

    Args:
        config: the run.
        tensor_dir: shards.
        out_dir: folder to make.
        earlier: folders of the earlier stages.
        inputs: digest of what the result depends on.
        log_metric: called with (name, value, epoch).
        progress: called with (epochs done, epochs at most).

    Raises:
        ConfigError: no modality is left, or the loss became nan.
        CheckpointError: a folder is absent, broken or of other tensors.

    Source: MedPatch, stage 3. Deviates: features of the frozen part are computed once, in eval mode; the weights that
    the late head learned on train trust the heads that know the train stays by heart.
    """
    spec, data = input_spec(tensor_dir)
    settings, session = config.train, open_session(config.train, out_dir, inputs=inputs)
    unimodal = load_all(earlier, session.device, data=data)
    scorer = {
        m: load_scorer(earlier.confidence[m], width=u.encoder.width, device=session.device, data=data)
        for m, u in unimodal.items()
    }
    moving = tuple(m for m in unimodal if settings.fine_tune and not is_frozen(config, m))
    seed = derive_seed(settings.seed, Stage.FUSION)
    with ExitStack() as stack, deterministic(seed):
        network = build_medpatch(config.model, spec, unimodal=unimodal, scorer=scorer).to(session.device).eval()
        for name, branch in network.fusion.branch.items():
            if name not in moving:
                freeze(network.extractor.encoder[name])
                freeze(branch.unimodal_projection)
        freeze(network.extractor.scorer)
        head_loss = HeadLoss(settings.loss_weighting, uses_joint=network.fusion.high_joint is not None)
        trained = nn.ModuleDict({"fusion": network.fusion, "loss": head_loss.to(session.device)})
        if moving:
            trained["encoder"] = network.extractor.encoder
        index = {s: open_index(tensor_dir, s, modalities=tuple(unimodal)) for s in (Split.TRAIN, Split.VAL)}
        still = tuple(m for m in unimodal if m not in moving)
        train, val = (_Views(index[s], s, earlier=earlier, modalities=still, data=data) for s in index)
        raw = {
            s: open_raw(tensor_dir, index[s], split=s, modalities=moving, spec=spec, beside=out_dir, stack=stack)
            for s in index
        }
        selection = torch.arange(len(index[Split.VAL]))  # and all of it fits the late head

        def train_batches(epoch: int) -> Iterator[Tensor]:
            train.turn(epoch)
            same_length = torch.ones(len(index[Split.TRAIN]))
            return shuffled(same_length, batch_size=settings.batch_size, seed=derive_seed(seed, epoch))

        fitted = fit(
            trained,
            fusion_step(network, head_loss, pools=train, raw=raw[Split.TRAIN], device=session.device),
            train_batches=train_batches,
            val_step=fusion_step(network, head_loss, pools=val, raw=raw[Split.VAL], device=session.device),
            val_batches=lambda: selection.split(settings.batch_size) if len(selection) else (),
            settings=fit_settings(config, "fusion", epochs=settings.fusion_epochs, select=Select.AUROC),
            name="fusion",
            log_metric=log_metric,
            progress=progress,
            session=session,
        )
        if config.model.fusion.is_late_fitted:
            fit_late(
                network,
                torch.tensor(spec.prevalence),
                pools=val,
                raw=raw[Split.VAL],
                batches=selection.split(settings.batch_size) if len(selection) else (),
            )
        result = StageResult(Stage.FUSION, "fusion", None, False, "", len(index[Split.TRAIN]), len(selection))
        return finish(
            out_dir,
            result,
            fitted=fitted,
            inputs=inputs,
            session=session,
            save=lambda aside: save(aside, network.cpu(), kind="medpatch", model=config.model, spec=spec, data=data),
        )


@torch.no_grad()
def fit_late(
    network: MedPatch, prevalence: Tensor, *, pools: Pools, raw: InputStore | None, batches: Sequence[Tensor]
) -> None:
    """Give a trained network a fitted late head; without stays to fit on it keeps the one that it was trained with.

    Args:
        network: in eval mode.
        prevalence: (K,) share of positive train stays.
        pools: of the val stays, for modalities whose encoders stood still.
        raw: inputs of the others, or None.
        batches: indices of the val stays.
    """
    device = network.fusion.late_weight.device
    heads, has_input, label = [], [], []
    for index in batches:
        output = network.fuse(assemble(network, pools, raw=raw, index=index, device=device))
        heads.append(output.heads)
        has_input.append(output.has_input)
        label.append(pools.index.label[index])
    if heads:
        evidence = network.fusion.expect_evidence(prevalence)
        evidence.fit(torch.cat(heads), torch.cat(has_input), torch.cat(label))


def load_all(earlier: StageDirs, device: torch.device, *, data: str) -> dict[Modality, Unimodal]:
    """The stage-1 models, in canonical order.

    Raises:
        ConfigError: there is none.
    """
    if not earlier.unimodal:
        raise ConfigError(
            "fusion: no modality is left to fuse, each had too few train stays; use a larger cohort or other modalities"
        )
    return {m: load_unimodal(earlier.unimodal[m], device=device, data=data) for m in earlier.modalities}


def open_raw(
    tensor_dir: Path,
    index: SplitIndex,
    *,
    split: Split,
    modalities: Sequence[Modality],
    spec: InputSpec,
    beside: Path,
    stack: ExitStack,
) -> InputStore | None:
    """Raw inputs of the modalities whose encoders move, until the stack closes; None where there are none."""
    if not modalities:
        return None
    part = {
        m: stack.enter_context(raw_inputs(tensor_dir, split, modality=m, spec=spec, beside=beside)) for m in modalities
    }
    return open_input_store(index, part)


class _Views:
    """The pools of a split; where a modality has several views of the train split, epochs take turns."""

    def __init__(
        self, index: SplitIndex, split: Split, *, earlier: StageDirs, modalities: Sequence[Modality], data: str
    ) -> None:
        features = {m: open_features(earlier.feature[m], m, data=data) for m in modalities}
        views = max([f.views for f in features.values()], default=1) if split is Split.TRAIN else 1
        self.index = index
        self._stores = [
            open_feature_store(index, split, features=features, pool_dirs=earlier.pool, view=v) for v in range(views)
        ]
        self.turn(0)

    def turn(self, epoch: int) -> None:
        self._now = self._stores[epoch % len(self._stores)]

    def take(self, index: Tensor, device: torch.device) -> Features:
        return self._now.take(index, device)
