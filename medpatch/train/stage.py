"""The stages of training, in the order in which they run; each leaves one folder.

`run_unimodal` and `run_confidence` once per modality, then `run_fusion`; `run_rival` once per rival, on the same
stage-1 models. A modality whose stage-1 result says `is_dropped` is left out of what follows.
"""

from medpatch.config.code import STAGE_CODE
from medpatch.feature.dirs import StageDirs
from medpatch.train.result import StageResult, read_history, read_result
from medpatch.train.stage_confidence import run_confidence
from medpatch.train.stage_fusion import run_fusion
from medpatch.train.stage_rival import run_rival
from medpatch.train.stage_unimodal import run_unimodal

__all__ = [
    "STAGE_CODE",
    "StageDirs",
    "StageResult",
    "read_history",
    "read_result",
    "run_confidence",
    "run_fusion",
    "run_rival",
    "run_unimodal",
]
