"""Untrained models of a tensor folder, saved the way training saves them, and what their encoders left."""

from dataclasses import dataclass
from pathlib import Path

import torch

from medpatch.config.name import Modality, Rival
from medpatch.config.pipeline import PipelineConfig
from medpatch.contract.artifact import writing
from medpatch.feature.dirs import StageDirs
from medpatch.feature.encode import write_features
from medpatch.feature.opening import input_spec
from medpatch.feature.pool import write_pools
from medpatch.model.build import build_medpatch, build_scorer, build_unimodal
from medpatch.model.build_rival import build_rival
from medpatch.model.checkpoint import save, save_scorer
from medpatch.model.checkpoint_rival import save_rival
from medpatch.model.end_to_end import EndToEnd


@dataclass(frozen=True)
class Made:
    """Untrained models, saved the way training saves them, and what their encoders left."""

    models: dict[str, Path]
    earlier: StageDirs


def make_models(tensor_dir: Path, folder: Path, config: PipelineConfig) -> Made:
    spec, data = input_spec(tensor_dir)
    torch.manual_seed(0)
    unimodal = {m: build_unimodal(config.model, spec, modality=m) for m in spec.modalities}
    raw_width = {m: u.encoder.width for m, u in unimodal.items()}
    scorer = {m: build_scorer(config.model, spec, modality=m, width=raw_width[m]) for m in unimodal}
    here = StageDirs(
        **{
            kind: {m: folder / f"{kind}-{m}" for m in unimodal}
            for kind in ("unimodal", "feature", "confidence", "pool")
        }
    )
    facts = {"model": config.model, "spec": spec, "data": data}
    for m, network in unimodal.items():
        with writing(here.unimodal[m], inputs="made-up") as aside:
            save(aside, network, kind="unimodal", **facts)
        with writing(here.confidence[m], inputs="made-up") as aside:
            save_scorer(aside, scorer[m], modality=m, **facts)
        write_features(
            config, tensor_dir, modality=m, out_dir=here.feature[m], unimodal_dir=here.unimodal[m], inputs="made-up"
        )
        write_pools(
            config,
            tensor_dir,
            modality=m,
            out_dir=here.pool[m],
            feature_dir=here.feature[m],
            unimodal_dir=here.unimodal[m],
            confidence_dir=here.confidence[m],
            inputs="made-up",
        )
    models = {"medpatch": folder / "medpatch"}
    with writing(models["medpatch"], inputs="made-up") as aside:
        save(aside, build_medpatch(config.model, spec, unimodal=unimodal, scorer=scorer), kind="medpatch", **facts)
    for rival, moving in ((Rival.EARLY, ()), (Rival.JOINT, (Modality.EHR, Modality.CXR))):
        network = EndToEnd(
            {m: unimodal[m] for m in moving if m in unimodal},
            build_rival(rival, config.model, spec=spec, raw_width=raw_width),
        )
        models[str(rival)] = folder / rival
        with writing(models[rival], inputs="made-up") as aside:
            save_rival(aside, network, rival=rival, raw_width=raw_width, **facts)
    return Made(models, here)
