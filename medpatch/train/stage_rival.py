"""Rivals of MedPatch, trained on the same stage-1 encoders by the same loop."""

from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor

from medpatch.config.name import Rival, Split, Stage
from medpatch.config.part import is_frozen
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.train import Select
from medpatch.feature.batching import shuffled
from medpatch.feature.dirs import StageDirs
from medpatch.feature.opening import input_spec, open_index
from medpatch.feature.seed import derive_seed, deterministic
from medpatch.feature.split import open_features
from medpatch.feature.store import InputStore, TokenStore, open_token_store
from medpatch.model.baseline.objective import rival_loss
from medpatch.model.build import build_unimodal
from medpatch.model.build_rival import build_rival
from medpatch.model.checkpoint_rival import save_rival
from medpatch.model.end_to_end import EndToEnd
from medpatch.train.fit import fit
from medpatch.train.record import LogMetric, Progress, Step, StepOutput
from medpatch.train.result import StageResult, finish
from medpatch.train.session import open_session
from medpatch.train.stage_fusion import load_all, open_raw
from medpatch.train.stage_trees import run_trees
from medpatch.train.stage_unimodal import fit_settings


def run_rival(
    config: PipelineConfig,
    tensor_dir: Path,
    *,
    rival: Rival,
    out_dir: Path,
    earlier: StageDirs,
    inputs: str,
    log_metric: LogMetric,
    progress: Progress | None = None,
) -> StageResult:
    """Train one rival and write it to `out_dir`.

    Rivals read at most `train.rival_tokens` tokens per stay and modality from the frozen encoders. The joint
    rival moves the encoders along, from their stage-1 weights or, with `train.joint_from_scratch`, from new
    ones; text encoders that are frozen for good stay so and are read from the cache.

    Args:
        config: the run.
        tensor_dir: shards.
        rival: which one.
        out_dir: folder to make.
        earlier: folders of the earlier stages.
        inputs: digest of what the result depends on.
        log_metric: called with (name, value, epoch).
        progress: called with (epochs done, epochs at most).

    Raises:
        ConfigError: no modality is left, or the loss became nan.
        CheckpointError: a folder is absent, broken or of other tensors.
    """
    ways = {"inputs": inputs, "log_metric": log_metric, "progress": progress}
    if rival is Rival.BOOSTED_TREES:
        return run_trees(config, tensor_dir, out_dir=out_dir, earlier=earlier, **ways)
    spec, data = input_spec(tensor_dir)
    settings, session = config.train, open_session(config.train, out_dir, inputs=inputs)
    seed = derive_seed(settings.seed, rival)
    with ExitStack() as stack, deterministic(seed):
        unimodal = load_all(earlier, session.device, data=data)
        raw_width = {m: u.encoder.width for m, u in unimodal.items()}
        moving = tuple(m for m in unimodal if rival is Rival.JOINT and not is_frozen(config, m))
        network = EndToEnd(
            {
                m: build_unimodal(config.model, spec, modality=m) if settings.joint_from_scratch else unimodal[m]
                for m in moving
            },
            build_rival(rival, config.model, spec=spec, raw_width=raw_width),
        ).to(session.device)
        index = {s: open_index(tensor_dir, s, modalities=tuple(unimodal)) for s in (Split.TRAIN, Split.VAL)}
        features = {m: open_features(earlier.feature[m], m, data=data) for m in unimodal if m not in moving}
        still = {s: open_token_store(index[s], s, features=features, unimodal=unimodal) for s in index}
        raw = {
            s: open_raw(tensor_dir, index[s], split=s, modalities=moving, spec=spec, beside=out_dir, stack=stack)
            for s in index
        }
        step, val_step = (rival_step(network, still[s], raw=raw[s], device=session.device) for s in index)
        selection = torch.arange(len(index[Split.VAL]))  # as for MedPatch
        same_length = torch.ones(len(index[Split.TRAIN]))
        fitted = fit(
            network,
            step,
            train_batches=lambda epoch: shuffled(
                same_length, batch_size=settings.batch_size, seed=derive_seed(seed, epoch)
            ),
            val_step=val_step,
            val_batches=lambda: selection.split(settings.batch_size) if len(selection) else (),
            settings=fit_settings(config, rival, epochs=settings.fusion_epochs, select=Select.AUROC),
            name=str(rival),
            log_metric=log_metric,
            progress=progress,
            session=session,
        )
        result = StageResult(Stage.FUSION, str(rival), None, False, "", len(same_length), len(selection))
        return finish(
            out_dir,
            result,
            fitted=fitted,
            inputs=inputs,
            session=session,
            save=lambda aside: save_rival(
                aside, network.cpu(), rival=rival, raw_width=raw_width, model=config.model, spec=spec, data=data
            ),
        )


def rival_step(network: EndToEnd, still: TokenStore, *, raw: InputStore | None, device: torch.device) -> Step:
    """Cached tokens, and raw inputs for encoders that move, to the rival's loss; its prediction is judged."""

    def step(index: Tensor, is_training: bool) -> StepOutput:
        batch = None if raw is None else raw.take(index).to(device)
        output = network(batch, still.take(index, device))
        label = still.index.label[index].to(device)
        return StepOutput(rival_loss(output, label), len(index), logits=output.logits.detach(), label=label)

    return step
