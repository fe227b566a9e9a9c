"""Running stages on a made-up cohort, in few words."""

from pathlib import Path

from medpatch.config.name import Modality, Rival
from medpatch.config.part import is_frozen
from medpatch.feature.dirs import StageDirs
from medpatch.feature.encode import write_features
from medpatch.feature.pool import write_pools
from medpatch.train.result import StageResult
from medpatch.train.stage_confidence import run_confidence
from medpatch.train.stage_fusion import run_fusion
from medpatch.train.stage_rival import run_rival
from medpatch.train.stage_unimodal import run_unimodal
from train.cohort import MadeUp

TENSORS = Path("not-read")


def silent(name: str, value: float, epoch: int) -> None:
    pass


def train_unimodal(made_up: MadeUp, modality: Modality, folder: Path, **more: object) -> StageResult:
    return run_unimodal(
        made_up.config, TENSORS, modality=modality, out_dir=folder, inputs="i", log_metric=silent, **more
    )


def encode(made_up: MadeUp, modality: Modality, folder: Path, unimodal_dir: Path | None) -> Path:
    write_features(made_up.config, TENSORS, modality=modality, out_dir=folder, unimodal_dir=unimodal_dir, inputs="i")
    return folder


def train_confidence(made_up: MadeUp, modality: Modality, folder: Path, feature_dir: Path, log=silent) -> StageResult:
    return run_confidence(
        made_up.config,
        TENSORS,
        modality=modality,
        out_dir=folder,
        feature_dir=feature_dir,
        inputs="i",
        log_metric=log,
    )


def dirs(root: Path, modalities=tuple(Modality)) -> StageDirs:
    kinds = ("unimodal", "feature", "confidence", "pool")
    return StageDirs(**{kind: {m: root / f"{kind}_{m}" for m in modalities} for kind in kinds})


def train_earlier(made_up: MadeUp, root: Path, modalities=tuple(Modality)) -> StageDirs:
    """Everything before fusion."""
    here = dirs(root, modalities)
    for m in modalities:
        if is_frozen(made_up.config, m):
            encode(made_up, m, here.feature[m], None)
            train_unimodal(made_up, m, here.unimodal[m], feature_dir=here.feature[m])
        else:
            train_unimodal(made_up, m, here.unimodal[m])
            encode(made_up, m, here.feature[m], here.unimodal[m])
        train_confidence(made_up, m, here.confidence[m], here.feature[m])
        pool(made_up, m, here)
    return here


def pool(made_up: MadeUp, modality: Modality, here: StageDirs) -> None:
    write_pools(
        made_up.config,
        TENSORS,
        modality=modality,
        out_dir=here.pool[modality],
        feature_dir=here.feature[modality],
        unimodal_dir=here.unimodal[modality],
        confidence_dir=here.confidence[modality],
        inputs="i",
    )


def train_all(made_up: MadeUp, root: Path, modalities=tuple(Modality)) -> Path:
    """Stages 1 to 3; the fusion folder."""
    earlier = train_earlier(made_up, root, modalities)
    run_fusion(made_up.config, TENSORS, out_dir=root / "fusion", earlier=earlier, inputs="i", log_metric=silent)
    return root / "fusion"


def train_rival(made_up: MadeUp, rival: Rival, folder: Path, earlier: StageDirs) -> StageResult:
    return run_rival(
        made_up.config, TENSORS, rival=rival, out_dir=folder, earlier=earlier, inputs="i", log_metric=silent
    )
