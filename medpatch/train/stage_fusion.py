"""Stage 3: everything after the frozen encoders learns to fuse, on all stays."""

from collections.abc import Mapping
from pathlib import Path

import torch

from medpatch.config.error import ConfigError
from medpatch.config.name import Modality, Split, Stage
from medpatch.config.pipeline import PipelineConfig
from medpatch.model.build import build_early, build_medpatch
from medpatch.model.checkpoint import load_scorer, load_unimodal, save
from medpatch.model.unimodal import Unimodal
from medpatch.train.batching import shuffled
from medpatch.train.cache import collect_features
from medpatch.train.fit import LogMetric, Progress, Select, fit
from medpatch.train.freeze import freeze
from medpatch.train.opening import choose_device, input_spec, open_split
from medpatch.train.result import StageResult, finishing, read_result, scratch
from medpatch.train.seed import derive_seed, deterministic
from medpatch.train.stage_unimodal import fit_settings, val_parts
from medpatch.train.step import early_step, fusion_step


def run_fusion(
    config: PipelineConfig,
    tensor_dir: Path,
    out_dir: Path,
    *,
    unimodal_dirs: Mapping[Modality, Path],
    confidence_dirs: Mapping[Modality, Path],
    inputs: str,
    log_metric: LogMetric,
    progress: Progress | None = None,
) -> StageResult:
    """Train the fusion part of MedPatch and write the whole network to `out_dir`.

    Args:
        config: the run.
        tensor_dir: shards.
        out_dir: folder to make.
        unimodal_dirs: stage-1 folder of each modality that was not dropped.
        confidence_dirs: stage-2 folder of the same ones.
        inputs: digest of what the result depends on.
        log_metric: called with (name, value, epoch).
        progress: called with (epochs done, epochs at most).

    Raises:
        ConfigError: no modality is left, or the loss became nan.
        CheckpointError: a folder is absent, broken or of other tensors.

    Source: MedPatch, stage 3. Deviates: features of the frozen part are computed once, in eval mode.
    """
    spec, data = input_spec(tensor_dir)
    settings, device = config.train, choose_device(config.train.device)
    unimodal = _load_unimodal(unimodal_dirs, device, data)
    scorer = {
        m: load_scorer(confidence_dirs[m], width=u.encoder.width, device=device, data=data) for m, u in unimodal.items()
    }
    seed = derive_seed(settings.seed, Stage.FUSION)
    with scratch(out_dir) as folder, deterministic(seed):
        network = build_medpatch(config.model, spec, unimodal=unimodal, scorer=scorer).to(device).eval()
        freeze(network.extractor)
        for branch in network.fusion.branch.values():
            freeze(branch.unimodal_projection)
        train, val = (
            collect_features(
                open_split(tensor_dir, split, tuple(unimodal)),
                lambda batch: network.extract(batch.to(device)),
                folder / split,
            )
            for split in (Split.TRAIN, Split.VAL)
        )
        selection, _ = val_parts(val.subject_id, config)
        fitted = fit(
            network.fusion,
            fusion_step(network, train, device=device),
            train_batches=lambda epoch: shuffled(
                torch.ones(len(train)), batch_size=settings.batch_size, seed=derive_seed(seed, epoch)
            ),
            val_step=fusion_step(network, val, device=device),
            val_batches=lambda: selection.split(settings.batch_size) if len(selection) else (),
            settings=fit_settings(config, settings.fusion_epochs, Select.AUROC),
            name="fusion",
            log_metric=log_metric,
            progress=progress,
        )
        result = StageResult(Stage.FUSION, "fusion", None, False, "", len(train), len(selection))
        with finishing(out_dir, result, fitted, inputs=inputs) as aside:
            save(aside, network.cpu(), kind="medpatch", model=config.model, spec=spec, data=data)
    return read_result(out_dir)


def run_early(
    config: PipelineConfig,
    tensor_dir: Path,
    out_dir: Path,
    *,
    unimodal_dirs: Mapping[Modality, Path],
    inputs: str,
    log_metric: LogMetric,
    progress: Progress | None = None,
) -> StageResult:
    """Train the early-fusion rival on the same stage-1 models; arguments and errors as in `run_fusion`."""
    spec, data = input_spec(tensor_dir)
    settings, device = config.train, choose_device(config.train.device)
    unimodal = _load_unimodal(unimodal_dirs, device, data)
    seed = derive_seed(settings.seed, "early")
    with scratch(out_dir), deterministic(seed):
        network = build_early(config.model, spec, unimodal=unimodal).to(device).eval()
        freeze(network.unimodal)
        parts = {}
        for split in (Split.TRAIN, Split.VAL):
            rows = []
            with torch.no_grad():
                for batch in open_split(tensor_dir, split, tuple(unimodal)):
                    rows.append((*network.summarise(batch.to(device)), batch.label, batch.subject_id))
            parts[split] = [torch.cat(column).cpu() for column in zip(*rows, strict=True)]
        *train, _ = parts[Split.TRAIN]
        *val, val_subject = parts[Split.VAL] or [*(part[:0] for part in train), torch.empty(0, dtype=torch.int64)]
        selection, _ = val_parts(val_subject, config)
        fitted = fit(
            network,
            early_step(network, *train, device=device),
            train_batches=lambda epoch: shuffled(
                torch.ones(len(train[-1])), batch_size=settings.batch_size, seed=derive_seed(seed, epoch)
            ),
            val_step=early_step(network, *val, device=device),
            val_batches=lambda: selection.split(settings.batch_size) if len(selection) else (),
            settings=fit_settings(config, settings.fusion_epochs, Select.AUROC),
            name="early",
            log_metric=log_metric,
            progress=progress,
        )
        result = StageResult(Stage.FUSION, "early", None, False, "", len(train[-1]), len(selection))
        with finishing(out_dir, result, fitted, inputs=inputs) as aside:
            save(aside, network.cpu(), kind="early", model=config.model, spec=spec, data=data)
    return read_result(out_dir)


def _load_unimodal(folders: Mapping[Modality, Path], device: torch.device, data: str) -> dict[Modality, Unimodal]:
    if not folders:
        raise ConfigError(
            "fusion: no modality is left to fuse, each had too few train stays; use a larger cohort or other modalities"
        )
    return {m: load_unimodal(folders[m], device=device, data=data) for m in Modality if m in folders}
