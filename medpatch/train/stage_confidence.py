"""Stage 2: each token of a frozen encoder predicts the label; then temperature and threshold."""

import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from medpatch.config.name import Modality, Split, Stage
from medpatch.config.pipeline import PipelineConfig
from medpatch.feature.batching import shuffled
from medpatch.feature.opening import input_spec, open_index
from medpatch.feature.ragged import Ragged
from medpatch.feature.seed import derive_seed, deterministic
from medpatch.feature.split import FeatureFolder, open_features
from medpatch.model.build import build_scorer
from medpatch.model.checkpoint import save_scorer
from medpatch.model.confidence import TokenScorer
from medpatch.train.calibrate import fit_temperature, fit_threshold
from medpatch.train.fit import fit
from medpatch.train.record import LogMetric, Progress, Select
from medpatch.train.result import StageResult, finish
from medpatch.train.session import open_session
from medpatch.train.stage_unimodal import fit_settings, val_parts
from medpatch.train.step import confidence_step

logger = logging.getLogger(__name__)

MOST_TOKENS_READ = 200_000
"""Enough for a temperature and a quantile per label."""


def run_confidence(
    config: PipelineConfig,
    tensor_dir: Path,
    modality: Modality,
    out_dir: Path,
    *,
    feature_dir: Path,
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
        feature_dir: what the modality's frozen encoder left.
        inputs: digest of what the result depends on.
        log_metric: called with (name, value, epoch).
        progress: called with (epochs done, epochs at most).

    Raises:
        CheckpointError: the features are absent, not whole or of other tensors.
        ConfigError: the loss became nan.

    Source: MedPatch, stages 2 and 2b. Deviates: the encoder is not run, its tokens were kept; with more tokens
    than `train.confidence_tokens` whole stays are sampled, as a linear map does not need them all.
    """
    spec, data = input_spec(tensor_dir)
    name, settings = f"confidence {modality}", config.train
    seed = derive_seed(settings.seed, Stage.CONFIDENCE, modality)
    features = open_features(feature_dir, modality, data=data)
    session = open_session(settings, out_dir, inputs=inputs)
    with deterministic(seed):
        train, val = (
            _read(tensor_dir, split, features, at_most=settings.confidence_tokens) for split in (Split.TRAIN, Split.VAL)
        )
        selection, held_out = val_parts(val.subject_id, config)
        scorer = build_scorer(config.model, spec, modality=modality, width=features.width).to(session.device)
        fitted = fit(
            scorer,
            confidence_step(scorer, train.tokens, train.label, device=session.device),
            train_batches=lambda epoch: shuffled(
                torch.ones(len(train.label)), batch_size=settings.batch_size, seed=derive_seed(seed, epoch)
            ),
            val_step=confidence_step(scorer, val.tokens, val.label, device=session.device),
            val_batches=lambda: selection.split(settings.batch_size) if len(selection) else (),
            settings=fit_settings(config, "confidence", settings.confidence_epochs, Select.LOSS),
            name=name,
            log_metric=log_metric,
            progress=progress,
            session=session,
        )
        calibrate(scorer, train, val, held_out=held_out, config=config, name=name, device=session.device)
        result = StageResult(Stage.CONFIDENCE, name, modality, False, "", len(train.label), len(selection))
        return finish(
            out_dir,
            result,
            fitted,
            inputs=inputs,
            session=session,
            save=lambda aside: save_scorer(
                aside, scorer.cpu(), modality=modality, model=config.model, spec=spec, data=data
            ),
        )


@dataclass(frozen=True)
class TokenPart:
    """Tokens of n stays of a split.

    Attributes:
        tokens: of the n stays.
        label: (n, K) float.
        subject_id: (n,) int64.
    """

    tokens: Ragged
    label: Tensor
    subject_id: Tensor


def _read(tensor_dir: Path, split: Split, features: FeatureFolder, *, at_most: int) -> TokenPart:
    """The first stays, in their random order, up to the one that reaches this number of tokens."""
    cached = features.split(split)
    stays = min(len(cached.tokens), int(torch.searchsorted(cached.tokens.start, at_most)))
    index = open_index(tensor_dir, split, (features.modality,))
    place = index.place(cached.stay_id[:stays])
    return TokenPart(cached.tokens.first(stays), index.label[place], index.subject_id[place])


@torch.no_grad()
def calibrate(
    scorer: TokenScorer,
    train: TokenPart,
    val: TokenPart,
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
        logits, _ = _token_logits(scorer, train, torch.arange(len(train.label)), device)
        score = scorer.score_logits(logits.unsqueeze(0)).squeeze(0)
        scorer.threshold.copy_(fit_threshold(score, config.model.fusion.high_share))


def _token_logits(scorer: TokenScorer, part: TokenPart, stays: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Logits and labels (R, K) of the tokens of these stays, evenly thinned to `MOST_TOKENS_READ`."""
    every = max(1, -(-int(part.tokens.length[stays].sum()) // MOST_TOKENS_READ))
    logits, label = [], []
    for index in stays.split(64):
        row, owner = part.tokens.flat(index)
        logits.append(scorer.predictor(row[::every].to(device).float()))
        label.append(part.label[index][owner[::every]].to(device))
    return torch.cat(logits), torch.cat(label)
