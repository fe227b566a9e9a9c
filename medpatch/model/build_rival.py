"""From the name of a rival to its network."""

from collections.abc import Callable, Mapping

from torch import nn

from medpatch.config.error import ConfigError
from medpatch.config.model import Compat, ModelConfig
from medpatch.config.name import Modality, Rival
from medpatch.model.baseline.availability import Availability
from medpatch.model.baseline.daft import Daft
from medpatch.model.baseline.drfuse import DrFuse
from medpatch.model.baseline.early import EarlyFusion
from medpatch.model.baseline.healnet import HealNet
from medpatch.model.baseline.joint import JointFusion
from medpatch.model.baseline.medfuse import MedFuse
from medpatch.model.baseline.metra import MeTra
from medpatch.model.baseline.mmtm import Mmtm
from medpatch.model.head import Head, start_at
from medpatch.model.spec import InputSpec

NOT_A_NETWORK = {
    Rival.ENSEMBLE: "medpatch.model.baseline.ensemble.mean_of_models over the logits of trained models",
    Rival.STACKING: "medpatch.model.evidence.EvidenceSum over the logits of the unimodal models",
    Rival.BOOSTED_TREES: "medpatch.model.baseline.boosted_trees.fit_trees over features of the tensors",
}


def build_rival(rival: Rival, config: ModelConfig, *, spec: InputSpec, raw_width: Mapping[Modality, int]) -> nn.Module:
    """The network of a rival, freshly initialised, whose prediction starts at the prevalence of the labels.

    Args:
        rival: which one.
        config: `encoder.width` is its common width; `fusion.compat` its numerics.
        spec: facts about the tensors.
        raw_width: width of each modality's encoder, for the modalities of the run.

    Returns:
        A module from `StayTokens` to `RivalOutput`.

    Raises:
        ConfigError: the rival is no network, or there is no modality.
    """
    if rival in NOT_A_NETWORK:
        raise ConfigError(f"rival {rival}: not a network; use {NOT_A_NETWORK[rival]}")
    if not raw_width:
        raise ConfigError(f"rival {rival}: no modality is left to fuse")
    ordered = {m: raw_width[m] for m in Modality if m in raw_width}
    network = NETWORK[rival](ordered, config, spec.label_count)
    for bias in _first_biases(network):
        start_at(bias, spec.prevalence)
    return network


def _first_biases(network: nn.Module) -> list[nn.Parameter]:
    """The K numbers that a network's prediction starts from."""
    if isinstance(network, Availability):
        return [network.linear.bias]
    if isinstance(network, DrFuse):
        return [network.bias, *(head.bias for head in network.branch_head)]
    if isinstance(network, Mmtm):
        return [network.bias]
    head: Head = network.head
    return [head.linear.bias]


def _medfuse(raw_width: Mapping[Modality, int], config: ModelConfig, label_count: int) -> MedFuse:
    is_published = config.fusion.compat is Compat.PUBLISHED
    return MedFuse(raw_width, config.encoder.width, label_count=label_count, keeps_absent=is_published)


def _plain(make: Callable[..., nn.Module]) -> "Build":
    return lambda raw_width, config, label_count: make(raw_width, config.encoder.width, label_count=label_count)


Build = Callable[[Mapping[Modality, int], ModelConfig, int], nn.Module]
NETWORK: dict[Rival, Build] = {
    Rival.EARLY: _plain(EarlyFusion),
    Rival.JOINT: _plain(JointFusion),
    Rival.MEDFUSE: _medfuse,
    Rival.MMTM: _plain(Mmtm),
    Rival.DAFT: _plain(Daft),
    Rival.METRA: _plain(MeTra),
    Rival.HEALNET: _plain(HealNet),
    Rival.DRFUSE: _plain(DrFuse),
    Rival.AVAILABILITY: lambda raw_width, config, label_count: Availability(len(raw_width), label_count),
}
