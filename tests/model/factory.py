"""Batches and small networks made by hand."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from medpatch.config.model import TINY, EncoderConfig, FusionConfig, ModelConfig
from medpatch.config.name import Modality
from medpatch.contract.batch import Batch
from medpatch.model.build import build_medpatch, build_scorer, build_unimodal
from medpatch.model.feature import ModalityTokens, StayTokens
from medpatch.model.medpatch import MedPatch
from medpatch.model.spec import InputSpec


def make_spec(modalities: tuple[Modality, ...] = tuple(Modality), labels: int = 3) -> InputSpec:
    """Facts about made-up tensors."""
    return InputSpec(
        modalities=modalities,
        label_names=tuple(f"label {k}" for k in range(labels)),
        prevalence=tuple(0.1 + 0.1 * k for k in range(labels)),
        image_size_px=16,
        vocabulary_size=50,
        note_chunk_tokens=8,
    )


def make_config(encoder: Mapping[str, object] | None = None, **fusion: object) -> ModelConfig:
    """A network of width 8 without any download."""
    tiny = {"ehr_width": 8, "cxr_name": TINY, "note_name": TINY, "is_note_frozen": False, "width": 8}
    return ModelConfig(encoder=EncoderConfig(**tiny | dict(encoder or {})), fusion=FusionConfig(**fusion))


def make_batch(
    presence: Tensor, *, modalities: tuple[Modality, ...] = tuple(Modality), labels: int = 3, seed: int = 0
) -> Batch:
    """Random stays with this presence pattern (B, M); lengths differ, padding holds rubbish."""
    g = torch.Generator().manual_seed(seed)
    stays = presence.shape[0]
    steps = torch.randint(1, 7, (stays, 1), generator=g)
    words = torch.randint(1, 9, (stays, 2, 1), generator=g)
    value, mask = {}, {}
    for column, name in enumerate(modalities):
        here = presence[:, column]
        if name is Modality.EHR:
            value[name] = torch.randn(stays, 6, 76, generator=g)
            mask[name] = (torch.arange(6) < steps) & here[:, None]
        elif name is Modality.CXR:
            value[name] = torch.randint(0, 256, (stays, 16, 16), generator=g, dtype=torch.uint8)
            mask[name] = here.clone()
        else:
            value[name] = torch.randint(0, 50, (stays, 2, 8), generator=g)
            mask[name] = (torch.arange(8) < words) & here[:, None, None]
    return Batch(
        stay_id=torch.arange(stays),
        subject_id=torch.arange(stays),
        label=torch.randint(0, 2, (stays, labels), generator=g).float(),
        presence=presence,
        modalities=modalities,
        value=value,
        mask=mask,
    )


def make_medpatch(
    config: ModelConfig | None = None, spec: InputSpec | None = None, *, seed: int = 0, threshold: float = 0.55
) -> MedPatch:
    """A freshly initialised network in eval mode, whose scorers already tell one token from another."""
    torch.manual_seed(seed)
    spec = spec or make_spec()
    config = config or make_config(threshold=threshold)
    unimodal = {m: build_unimodal(config, spec, modality=m) for m in spec.modalities}
    scorer = {m: build_scorer(config, spec, modality=m, width=u.encoder.width) for m, u in unimodal.items()}
    for one in scorer.values():  # a scorer starts at the prevalence, whatever the token: none would be alone in a group
        last = one.predictor if isinstance(one.predictor, nn.Linear) else one.predictor[-1]
        nn.init.normal_(last.weight, std=2.0)
    return build_medpatch(config, spec, unimodal=unimodal, scorer=scorer).eval()


class LargestTensor(torch.utils._python_dispatch.TorchDispatchMode):
    """The most floats that any tensor has that is made while it is entered, forward or backward.

    Bytes are not counted: the LSTM of a CPU keeps its own copy of what it needs backward as such.
    """

    def __init__(self) -> None:
        super().__init__()
        self.numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        made = [t for t in torch.utils._pytree.tree_leaves(out) if isinstance(t, Tensor) and t.is_floating_point()]
        self.numel = max([self.numel, *(t.numel() for t in made)])
        return out


RAW_WIDTH = {Modality.EHR: 5, Modality.CXR: 6, Modality.RR: 7, Modality.DN: 7}


def make_stay_tokens(
    presence: Tensor, *, modalities: tuple[Modality, ...] = tuple(Modality), labels: int = 3, seed: int = 0
) -> StayTokens:
    """Random encoder outputs of stays with this presence pattern (B, M); up to five tokens each."""
    g = torch.Generator().manual_seed(seed)
    stays = presence.shape[0]
    modality = {}
    for column, name in enumerate(modalities):
        here = presence[:, [column]]
        mask = (torch.arange(5) < torch.randint(1, 6, (stays, 1), generator=g)) & here
        width = RAW_WIDTH[name]
        modality[name] = ModalityTokens(
            tokens=torch.randn(stays, 5, width, generator=g) * mask.unsqueeze(-1),
            token_mask=mask,
            pooled=torch.randn(stays, width, generator=g) * here,
            logits=torch.randn(stays, labels, generator=g) * here,
        )
    return StayTokens(presence, modality)
