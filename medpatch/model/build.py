"""Configuration to modules; nothing else in this package sees a configuration class."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from medpatch.config.error import ConfigError
from medpatch.config.model import TINY, Compat, EhrKind, Fuser, FusionConfig, ModelConfig
from medpatch.config.name import Modality
from medpatch.contract.tensor import EHR_COLUMNS
from medpatch.model.backbone import load_backbone, restore_backbone
from medpatch.model.confidence import TokenScorer
from medpatch.model.encoder_cxr import CxrEncoder
from medpatch.model.encoder_ehr import EhrEncoder, EhrTransformer
from medpatch.model.encoder_note import NoteEncoder
from medpatch.model.extractor import Extractor
from medpatch.model.fusion import Branch, Fusion
from medpatch.model.head import Head, start_at
from medpatch.model.joint import ClasswiseJoint, PublishedJoint, SequenceJoint
from medpatch.model.medpatch import MedPatch
from medpatch.model.missingness import Missingness
from medpatch.model.spec import InputSpec
from medpatch.model.tiny import TinyImage, TinyImageShape, TinyNote, TinyNoteShape
from medpatch.model.unimodal import Unimodal

Description = Mapping[str, Any]
TRANSFORMER_DROPOUT = 0.1
"""Of the EHR transformer, unless the configuration says another."""


def build_unimodal(
    config: ModelConfig, spec: InputSpec, *, modality: Modality, backbone: Description | None = None
) -> Unimodal:
    """Encoder, projection and head of one modality.

    Args:
        config: shape of the network.
        spec: facts about the tensors.
        modality: which one.
        backbone: description of the transformer body from a checkpoint; then no pretrained weight is fetched.

    Raises:
        ConfigError: the pretrained encoder cannot be loaded or does not fit the tensors.
    """
    encoder = ENCODER[modality](config, spec, backbone)
    projection = nn.Linear(encoder.width, config.encoder.width)
    if _is_unprojected(config, modality):
        projection = nn.Identity()
    head = Head(config.encoder.width, spec.label_count)
    start_at(head.linear.bias, spec.prevalence)
    return Unimodal(modality, encoder, projection=projection, head=head)


def build_scorer(config: ModelConfig, spec: InputSpec, *, modality: Modality, width: int) -> TokenScorer:
    """Token confidence of one modality whose raw tokens have that width."""
    is_published = config.fusion.compat is Compat.PUBLISHED
    return TokenScorer(
        width,
        spec.prevalence,
        score=config.fusion.score,
        threshold=config.fusion.threshold,
        # the published code never divides EHR logits by their temperature when there are several labels
        use_temperature=not (is_published and modality is Modality.EHR and spec.label_count > 1),
        in_nats=is_published,
        positions=config.fusion.temperature_positions,
        hidden_width=0 if is_published else config.fusion.scorer_width,
    )


def build_medpatch(
    config: ModelConfig,
    spec: InputSpec,
    *,
    unimodal: Mapping[Modality, Unimodal],
    scorer: Mapping[Modality, TokenScorer],
) -> MedPatch:
    """The whole network around trained (or freshly built) unimodal models and scorers.

    Projections and heads start as copies of the unimodal ones, and the class-wise joint modules as their mean; the
    unimodal models themselves are not changed.
    """
    extractor = Extractor(
        {m: u.encoder for m, u in unimodal.items()},
        scorer,
        pools_padding=config.fusion.compat is Compat.PUBLISHED,
    )
    fusion = build_fusion(config, spec, raw_width={m: u.encoder.width for m, u in unimodal.items()})
    for name, model in unimodal.items():
        fusion.branch[name].start_from(model.projection, model.head)
    for joint in (fusion.high_joint, fusion.low_joint):
        if isinstance(joint, ClasswiseJoint):
            joint.start_from([unimodal[m].head for m in fusion.modalities])
    return MedPatch(extractor, fusion)


def build_fusion(config: ModelConfig, spec: InputSpec, *, raw_width: Mapping[Modality, int]) -> Fusion:
    """The part that the fusion stage trains, for modalities whose encoders have these widths."""
    width, labels, fusion = config.encoder.width, spec.label_count, config.fusion
    branch = {
        m: Branch(
            raw,
            width,
            label_count=labels,
            is_projected=not _is_unprojected(config, m),
            is_shared=_shares_projection(fusion),
        )
        for m, raw in raw_width.items()
    }
    joint = missingness = None
    if fusion.use_joint:
        joint = tuple(_build_joint(fusion, len(branch), label_count=labels, width=width) for _ in ("high", "low"))
        for one in joint:
            start_at(one.bias if isinstance(one, ClasswiseJoint) else one.head.linear.bias, spec.prevalence)
    if fusion.use_missingness:
        missingness = Missingness(len(branch), labels, compat=fusion.compat)
        start_at(missingness.bias, spec.prevalence)
    return Fusion(
        branch,
        joint,
        missingness=missingness,
        label_count=labels,
        uses_late=fusion.use_late,
        compat=fusion.compat,
    )


def _build_joint(fusion: FusionConfig, modality_count: int, *, label_count: int, width: int) -> nn.Module:
    is_published = fusion.compat is Compat.PUBLISHED
    if fusion.fuser is not Fuser.NONE:
        return SequenceJoint(label_count, width, fuser=fusion.fuser, keeps_empty=is_published)
    joint = PublishedJoint if is_published else ClasswiseJoint
    return joint(modality_count, label_count, width=width)


def _shares_projection(fusion: FusionConfig) -> bool:
    is_classwise = fusion.fuser is Fuser.NONE and fusion.compat is Compat.REPAIRED
    return fusion.shares_projection and fusion.use_joint and is_classwise


def _is_unprojected(config: ModelConfig, modality: Modality) -> bool:
    """The published EHR branch has no projection; that needs an LSTM of the common width."""
    if modality is not Modality.EHR or config.fusion.compat is not Compat.PUBLISHED:
        return False
    if config.encoder.ehr_width != config.encoder.width:
        raise ConfigError(
            f"model.encoder: compat=published needs ehr_width {config.encoder.ehr_width} equal to "
            f"width {config.encoder.width}; set both alike"
        )
    return True


def _build_ehr(config: ModelConfig, spec: InputSpec, backbone: Description | None) -> nn.Module:
    encoder = config.encoder
    if encoder.ehr_kind is EhrKind.TRANSFORMER:
        return EhrTransformer(
            EHR_COLUMNS,
            encoder.ehr_width,
            summary=encoder.ehr_summary,
            layers=encoder.ehr_layers,
            dropout=TRANSFORMER_DROPOUT if encoder.ehr_dropout is None else encoder.ehr_dropout,
        )
    return EhrEncoder(EHR_COLUMNS, encoder.ehr_width, summary=encoder.ehr_summary, dropout=encoder.ehr_dropout or 0.0)


def _build_cxr(config: ModelConfig, spec: InputSpec, backbone: Description | None) -> CxrEncoder:
    if backbone is not None:
        body = restore_backbone(backbone)
    elif config.encoder.cxr_name == TINY:
        body = TinyImage(TinyImageShape(spec.image_size_px))
    else:
        body = load_backbone(config.encoder.cxr_name)
    return CxrEncoder(body, body.config.hidden_size)


def _build_note(config: ModelConfig, spec: InputSpec, backbone: Description | None) -> NoteEncoder:
    if backbone is not None:
        body = restore_backbone(backbone)
    elif config.encoder.note_name == TINY:
        body = TinyNote(TinyNoteShape(max(spec.vocabulary_size, 1), spec.note_chunk_tokens))
    else:
        body = load_backbone(config.encoder.note_name)
    longest, known = body.config.max_position_embeddings, body.config.vocab_size
    if spec.note_chunk_tokens > longest:
        raise ConfigError(
            f"modality.note_chunk_tokens: {spec.note_chunk_tokens} ids per chunk, but the note encoder reads at "
            f"most {longest}; lower it"
        )
    if spec.vocabulary_size > known:
        raise ConfigError(
            f"model.encoder.note_name: the tokenizer has {spec.vocabulary_size} ids, the encoder knows {known}; "
            "use the tokenizer that belongs to the encoder (modality.note_tokenizer)"
        )
    average = config.fusion.compat is Compat.PUBLISHED
    summary = config.encoder.note_summary
    return NoteEncoder(body, body.config.hidden_size, summary=summary, average_positions=average)


ENCODER: dict[Modality, Callable[[ModelConfig, InputSpec, Description | None], nn.Module]] = {
    Modality.EHR: _build_ehr,
    Modality.CXR: _build_cxr,
    Modality.RR: _build_note,
    Modality.DN: _build_note,
}
