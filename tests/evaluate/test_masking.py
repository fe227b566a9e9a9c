"""A modality that is taken away from the features is as absent as one that the stay never had."""

from dataclasses import replace

import pytest
import torch

from medpatch.config.model import TINY, Compat, EncoderConfig, FusionConfig, ModelConfig, Score
from medpatch.config.name import Modality
from medpatch.contract.batch import Batch
from medpatch.contract.tensor import EHR_COLUMNS
from medpatch.evaluate.masking import drops
from medpatch.model.build import build_medpatch, build_scorer, build_unimodal
from medpatch.model.medpatch import MedPatch
from medpatch.model.spec import InputSpec

EHR_CXR = (Modality.EHR, Modality.CXR)
SPEC = InputSpec(
    modalities=EHR_CXR,
    label_names=("x", "y"),
    prevalence=(0.2, 0.4),
    image_size_px=16,
    vocabulary_size=0,
    note_chunk_tokens=8,
)


def network(compat: Compat, modalities: tuple[Modality, ...] = EHR_CXR) -> MedPatch:
    torch.manual_seed(0)
    published = {"score": Score.CONFIDENCE, "high_share": None} if compat is Compat.PUBLISHED else {}
    config = ModelConfig(
        encoder=EncoderConfig(ehr_width=8, cxr_name=TINY, note_name=TINY, width=8),
        fusion=FusionConfig(compat=compat, **published),
    )
    unimodal = {m: build_unimodal(config, SPEC, modality=m) for m in modalities}
    scorer = {m: build_scorer(config, SPEC, modality=m, width=u.encoder.width) for m, u in unimodal.items()}
    return build_medpatch(config, SPEC, unimodal=unimodal, scorer=scorer).eval()


def batch(presence: list[list[bool]]) -> Batch:
    """Four stays of six time steps; the third has no radiograph unless `presence` says so."""
    torch.manual_seed(1)
    here = torch.tensor(presence)
    return Batch(
        stay_id=torch.arange(4),
        subject_id=torch.arange(4),
        label=torch.zeros(4, 2),
        presence=here,
        modalities=EHR_CXR,
        value={
            Modality.EHR: torch.randn(4, 6, EHR_COLUMNS),
            Modality.CXR: torch.randint(0, 255, (4, 16, 16), dtype=torch.uint8),
        },
        mask={Modality.EHR: torch.ones(4, 6, dtype=torch.bool), Modality.CXR: here[:, 1].clone()},
    )


PRESENCE = [[True, True], [True, True], [True, False], [True, True]]


@pytest.mark.parametrize("compat", list(Compat))
@torch.no_grad()
def test_logits_are_those_of_stays_that_never_had_the_modality(compat: Compat) -> None:
    model = network(compat)
    found = drops(model, model.extract(batch(PRESENCE)))
    never = batch([[True, False]] * 4)
    torch.testing.assert_close(found["medpatch_without_cxr"], model(never).late)


@torch.no_grad()
def test_stay_without_the_modality_keeps_its_logits() -> None:
    model = network(Compat.REPAIRED)
    features = model.extract(batch(PRESENCE))
    whole, without = model.fuse(features).late, drops(model, features)["medpatch_without_cxr"]
    torch.testing.assert_close(without[2], whole[2])
    assert not torch.allclose(without[0], whole[0])


@torch.no_grad()
def test_features_themselves_are_left_as_they_were() -> None:
    model = network(Compat.REPAIRED)
    features = model.extract(batch(PRESENCE))
    before = replace(features, presence=features.presence.clone())
    drops(model, features)
    assert torch.equal(features.presence, before.presence)


@torch.no_grad()
def test_network_of_one_modality_has_nothing_to_fall_back_on() -> None:
    model = network(Compat.REPAIRED, (Modality.EHR,))
    assert drops(model, model.extract(batch(PRESENCE))) == {}
