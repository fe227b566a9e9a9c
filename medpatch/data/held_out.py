"""Which validation subjects choose in stages 1 and 2, and which are kept from that for calibration.

What comes after the temperatures (the epoch of fusion and of the rivals, the head, the best single modality) is
chosen on all of them, and the weights of the late head are fitted on all of them: half of a small validation split is
too noisy a judge.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medpatch.config.pipeline import PipelineConfig

FEWEST_STAYS = 8


@dataclass(frozen=True)
class ValParts:
    """Indices of the n val stays.

    Attributes:
        selection: of those that choose the epochs of encoders and token predictors.
        held_out: of those kept for calibration.
    """

    selection: NDArray[np.int64]
    held_out: NDArray[np.int64]


def is_calibration_subject(subject_id: NDArray[np.int64], *, share: float, seed: int) -> NDArray[np.bool_]:
    """Which val subjects are kept from the selection of stages 1 and 2: (n,) bool, a function of the id alone.

    Deviates: the published code calibrates on the stays that also choose epochs and heads.
    """
    digest = [hashlib.md5(f"calibration:{seed}:{s}".encode()).digest() for s in subject_id.tolist()]
    place = np.array([int.from_bytes(d[:6], "big") / 2**48 for d in digest])
    return place < share


def split_val(subject_id: NDArray[np.int64], config: PipelineConfig) -> ValParts:
    """The val stays that choose, and those kept for calibration.

    Where either would get fewer than eight stays, all choose and none calibrate.

    Args:
        subject_id: (n,) of the val stays.
        config: `train.calibration_share` of the subjects are kept, `split.seed` says which.
    """
    is_kept = is_calibration_subject(subject_id, share=config.train.calibration_share, seed=config.split.seed)
    if min(int(is_kept.sum()), int((~is_kept).sum())) < FEWEST_STAYS:
        is_kept = np.zeros(len(subject_id), bool)
    return ValParts(selection=np.flatnonzero(~is_kept), held_out=np.flatnonzero(is_kept))
