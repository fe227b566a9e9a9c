"""Stage 2: each token of a frozen encoder predicts the label; then temperature and threshold."""

import logging
from pathlib import Path

import torch
from torch import Tensor

from medpatch.config.name import Modality, Split, Stage
from medpatch.config.pipeline import PipelineConfig
from medpatch.model.build import build_scorer
from medpatch.model.checkpoint import load_unimodal, save_scorer
from medpatch.model.confidence import TokenScorer
from medpatch.train.batching import shuffled
from medpatch.train.cache import Ragged, collect_inputs, collect_tokens
from medpatch.train.calibrate import fit_temperature, fit_threshold
from medpatch.train.fit import LogMetric, Progress, Select, fit
from medpatch.train.freeze import freeze
from medpatch.train.opening import choose_device, input_spec, open_split
from medpatch.train.result import StageResult, finishing, read_result, scratch
from medpatch.train.seed import derive_seed, deterministic
from medpatch.train.stage_unimodal import fit_settings, val_parts
from medpatch.train.step import confidence_step, encode_step

logger = logging.getLogger(__name__)

MOST_TOKENS_READ = 200_000
"""Enough for a temperature and a quantile per label."""


def run_confidence(
    config: PipelineConfig,
    tensor_dir: Path,
    modality: Modality,
    out_dir: Path,
    *,
    unimodal_dir: Path,
    inputs: str,
    log_metric: LogMetric,
    progress: Progress | None = None,
) -> StageResult:
    """Train one modality's token scorer, calibrate it, and write it to `out_dir`.

    The predictor is chosen by its loss on the selection half of val. Its temperature, one per label, is fitted
    on the tokens of the other half. The threshold is the score that `fusion.high_share` of the train tokens
    reach, or `fusion.threshold`.

    Args:
        config: the run.
        tensor_dir: shards.
        modality: which one.
        out_dir: folder to make.
        unimodal_dir: the modality's stage-1 folder.
        inputs: digest of what the result depends on.
        log_metric: called with (name, value, epoch).
        progress: called with (epochs done, epochs at most).

    Raises:
        CheckpointError: the stage-1 folder is absent, broken or of other tensors.
        ConfigError: the loss became nan.

    Source: MedPatch, stages 2 and 2b. Deviates: encoders run once; with more tokens than
    `train.confidence_tokens` whole stays are sampled, as a linear map does not need them all.
    """
    spec, data = input_spec(tensor_dir)
    name, settings = f"confidence {modality}", config.train
    device = choose_device(settings.device)
    seed = derive_seed(settings.seed, Stage.CONFIDENCE, modality)
    network = load_unimodal(unimodal_dir, device=device, data=data)
    freeze(network)
    with scratch(out_dir) as folder, deterministic(seed):
        tokens = {}
        for split in (Split.TRAIN, Split.VAL):
            part = collect_inputs(
                open_split(tensor_dir, split, (modality,), required=(modality,)),
                modality,
                folder / f"{split}-input",
                chunk_tokens=spec.note_chunk_tokens,
            )
            tokens[split] = collect_tokens(
                part,
                encode_step(network, part, device=device),
                folder / f"{split}-token",
                order=shuffled(part.length, batch_size=settings.batch_size, seed=seed),
                at_most=settings.confidence_tokens,
            )
        train, val = tokens[Split.TRAIN], tokens[Split.VAL]
        selection, held_out = val_parts(val.subject_id, config)
        scorer = build_scorer(config.model, spec, modality=modality, width=network.encoder.width).to(device)
        fitted = fit(
            scorer,
            confidence_step(scorer, train, device=device),
            train_batches=lambda epoch: shuffled(
                torch.ones(len(train)), batch_size=settings.batch_size, seed=derive_seed(seed, epoch)
            ),
            val_step=confidence_step(scorer, val, device=device),
            val_batches=lambda: selection.split(settings.batch_size) if len(selection) else (),
            settings=fit_settings(config, settings.confidence_epochs, Select.LOSS),
            name=name,
            log_metric=log_metric,
            progress=progress,
        )
        calibrate(scorer, train, val, held_out=held_out, config=config, name=name, device=device)
        result = StageResult(Stage.CONFIDENCE, name, modality, False, "", len(train), len(selection))
        with finishing(out_dir, result, fitted, inputs=inputs) as aside:
            save_scorer(aside, scorer.cpu(), modality=modality, model=config.model, spec=spec, data=data)
    return read_result(out_dir)


@torch.no_grad()
def calibrate(
    scorer: TokenScorer,
    train: Ragged,
    val: Ragged,
    *,
    held_out: Tensor,
    config: PipelineConfig,
    name: str,
    device: torch.device,
) -> None:
    """Stage 2b: set the scorer's temperature and threshold.

    Args:
        scorer: with its trained predictor.
        train: tokens that the threshold is a quantile of.
        val: tokens of all val stays.
        held_out: indices of the val stays that fix the temperature; none leaves it at 1.
        config: the run.
        name: of the stage, for messages.
        device: where the scorer is.
    """
    if len(held_out):
        scorer.temperature.copy_(fit_temperature(*_token_logits(scorer, val, held_out, device)))
    else:
        logger.warning("%s: too few val stays to keep some for calibration; temperatures stay 1", name)
    if config.model.fusion.high_share is not None:
        logits, _ = _token_logits(scorer, train, torch.arange(len(train)), device)
        score = scorer.score_logits(logits.unsqueeze(0)).squeeze(0)
        scorer.threshold.copy_(fit_threshold(score, config.model.fusion.high_share))


def _token_logits(scorer: TokenScorer, tokens: Ragged, stays: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Logits and labels (R, K) of the tokens of these stays, evenly thinned to `MOST_TOKENS_READ`."""
    every = max(1, -(-int(tokens.length[stays].sum()) // MOST_TOKENS_READ))
    logits, label = [], []
    for index in stays.split(64):
        row, owner = tokens.flat(index)
        logits.append(scorer.predictor(row[::every].to(device)))
        label.append(tokens.label[index][owner[::every]].to(device))
    return torch.cat(logits), torch.cat(label)
