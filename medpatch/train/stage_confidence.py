"""Stage 2: each token of a frozen encoder predicts the label; then temperature and threshold."""

import logging
from pathlib import Path

import torch
from torch import Tensor

from medpatch.config.error import ConfigError
from medpatch.config.name import Modality, Split, Stage
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.train import Select
from medpatch.contract.confidence import ConfidenceReport, write_confidence
from medpatch.feature.opening import input_spec, open_index
from medpatch.feature.seed import derive_seed, deterministic
from medpatch.feature.split import FeatureFolder, open_features
from medpatch.model.build import build_scorer
from medpatch.model.checkpoint import save_scorer
from medpatch.model.confidence import TokenScorer
from medpatch.train.calibrate import fit_temperature, fit_threshold
from medpatch.train.fit import fit
from medpatch.train.record import LogMetric, Progress
from medpatch.train.result import StageResult, finish
from medpatch.train.session import open_session
from medpatch.train.stage_unimodal import fit_settings, val_parts
from medpatch.train.step import confidence_step
from medpatch.train.threshold import choose_threshold, fit_position_temperature
from medpatch.train.token_draw import TokenDraw
from medpatch.train.token_logit import TokenPart, token_logits
from medpatch.train.token_report import report_tokens

logger = logging.getLogger(__name__)


def run_confidence(
    config: PipelineConfig,
    tensor_dir: Path,
    *,
    modality: Modality,
    out_dir: Path,
    feature_dir: Path,
    inputs: str,
    log_metric: LogMetric,
    progress: Progress | None = None,
) -> StageResult:
    """Train one modality's token scorer, calibrate it, and write it to `out_dir`.

    The predictor is chosen by its loss on the selection half of val. Its temperature, one per label and, if asked
    for, position, is fitted on the tokens of the other half. The threshold is the score that `fusion.high_share`
    of the train tokens reach, or a share chosen per label on the selection half, or `fusion.threshold`.

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
    than `train.confidence_tokens` whole stays are sampled, and an epoch reads `train.confidence_tokens_per_stay`
    tokens of each.
    """
    spec, data = input_spec(tensor_dir)
    name, settings = f"confidence {modality}", config.train
    seed = derive_seed(settings.seed, Stage.CONFIDENCE, modality)
    features = open_features(feature_dir, modality, data=data)
    session = open_session(settings, out_dir, inputs=inputs)
    with deterministic(seed):
        train, val = (
            _read(tensor_dir, split, features=features, at_most=settings.confidence_tokens)
            for split in (Split.TRAIN, Split.VAL)
        )
        selection, held_out = val_parts(val.subject_id, config)
        draw = TokenDraw(len(train.label), settings.confidence_tokens_per_stay, seed=seed)
        scorer = build_scorer(config.model, spec, modality=modality, width=features.width).to(session.device)
        fitted = fit(
            scorer,
            confidence_step(scorer, train.tokens, label=train.label, device=session.device, draw=draw),
            train_batches=lambda epoch: draw.batches(epoch, batch_size=settings.batch_size),
            val_step=confidence_step(scorer, val.tokens, label=val.label, device=session.device),
            val_batches=lambda: selection.split(settings.batch_size) if len(selection) else (),
            settings=fit_settings(config, "confidence", epochs=settings.confidence_epochs, select=Select.LOSS),
            name=name,
            log_metric=log_metric,
            progress=progress,
            session=session,
        )
        calibrate(
            scorer,
            train,
            val=val,
            selection=selection,
            held_out=held_out,
            config=config,
            name=name,
            device=session.device,
        )
        tokens = _held_out_report(scorer, val, held_out=held_out, modality=modality, names=spec.label_names)
        result = StageResult(Stage.CONFIDENCE, name, modality, False, "", len(train.label), len(selection))

        def save(aside: Path) -> None:
            save_scorer(aside, scorer.cpu(), modality=modality, model=config.model, spec=spec, data=data)
            if tokens is not None:
                write_confidence(aside, tokens)

        return finish(out_dir, result, fitted=fitted, inputs=inputs, session=session, save=save)


def _read(tensor_dir: Path, split: Split, *, features: FeatureFolder, at_most: int) -> TokenPart:
    """The first stays, in their random order, up to the one that reaches this number of tokens."""
    cached = features.split(split)
    if not len(cached.tokens) and len(cached.stay_id):
        raise ConfigError(
            f"{features.modality}, {split}: no token of its {len(cached.stay_id)} stays found room in the cache, and "
            "token predictors learn from it; raise train.cache_gib"
        )
    stays = min(len(cached.tokens), int(torch.searchsorted(cached.tokens.start, at_most)))
    index = open_index(tensor_dir, split, modalities=(features.modality,))
    place = index.place(cached.stay_id[:stays])
    return TokenPart(cached.tokens.first(stays), index.label[place], index.subject_id[place])


@torch.no_grad()
def calibrate(
    scorer: TokenScorer,
    train: TokenPart,
    *,
    val: TokenPart,
    selection: Tensor,
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
        selection: indices of the val stays that choose the share of high tokens, where it is chosen.
        held_out: indices of the val stays that fix the temperature; none leaves it at 1.
        config: the run.
        name: of the stage, for messages.
        device: where the scorer is.
    """
    fusion = config.model.fusion
    if len(held_out):
        held = token_logits(scorer, val, stays=held_out, device=device)
        scorer.temperature.copy_(
            fit_position_temperature(
                held.logits,
                held.label,
                position=held.position,
                count=fusion.temperature_positions,
                centre=scorer.centre,
            )
            if fusion.temperature_positions
            else fit_temperature(held.logits, held.label, centre=scorer.centre)
        )
    else:
        logger.warning("%s: too few val stays to keep some for calibration; temperatures stay 1", name)
    if fusion.high_share is None:
        return
    learned = token_logits(scorer, train, stays=torch.arange(len(train.label)), device=device)
    if not fusion.is_share_chosen or not len(selection):
        scorer.threshold.copy_(fit_threshold(learned.score(scorer), fusion.high_share))
        return
    chosen = token_logits(scorer, val, stays=selection, device=device)
    scorer.threshold.copy_(
        choose_threshold(
            learned.score(scorer),
            val_score=chosen.score(scorer),
            val_logits=chosen.logits,
            owner=chosen.owner,
            label=val.label[selection].to(device),
            default_share=fusion.high_share,
        )
    )


@torch.no_grad()
def _held_out_report(
    scorer: TokenScorer, val: TokenPart, *, held_out: Tensor, modality: Modality, names: tuple[str, ...]
) -> ConfidenceReport | None:
    """Of the val stays that chose no epoch; None where none was kept."""
    if not len(held_out):
        return None
    held = token_logits(scorer, val, stays=held_out, device=scorer.threshold.device)
    return report_tokens(scorer, held, modality=modality, stays=len(held_out), label_names=names)
