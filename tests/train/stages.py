"""Running stages on a made-up cohort, in few words."""

from pathlib import Path

from medpatch.config.name import Modality
from medpatch.train.stage import StageResult, run_confidence, run_fusion, run_unimodal
from train.cohort import MadeUp

TENSORS = Path("not-read")


def silent(name: str, value: float, epoch: int) -> None:
    pass


def train_unimodal(made_up: MadeUp, modality: Modality, folder: Path) -> StageResult:
    return run_unimodal(made_up.config, TENSORS, modality, folder, inputs="i", log_metric=silent)


def train_all(made_up: MadeUp, root: Path, modalities=tuple(Modality)) -> Path:
    """Stages 1 to 3; the fusion folder."""
    unimodal = {m: root / f"unimodal_{m}" for m in modalities}
    confidence = {m: root / f"confidence_{m}" for m in modalities}
    for m in modalities:
        train_unimodal(made_up, m, unimodal[m])
        run_confidence(
            made_up.config,
            TENSORS,
            m,
            confidence[m],
            unimodal_dir=unimodal[m],
            inputs="i",
            log_metric=silent,
        )
    run_fusion(
        made_up.config,
        TENSORS,
        root / "fusion",
        unimodal_dirs=unimodal,
        confidence_dirs=confidence,
        inputs="i",
        log_metric=silent,
    )
    return root / "fusion"
