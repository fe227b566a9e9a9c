"""One stage of training as a value: run here, or written down for processes that train together."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medpatch.config.name import Modality, Rival, Stage
from medpatch.config.pipeline import PipelineConfig
from medpatch.feature.dirs import StageDirs
from medpatch.train.record import LogMetric, Progress
from medpatch.train.result import StageResult


@dataclass(frozen=True)
class Job:
    """What to train.

    Attributes:
        stage: unimodal, confidence or fusion; fusion with a `rival` trains that.
        config: the run.
        tensor_dir: shards.
        out_dir: folder to make.
        inputs: digest of what the result depends on.
        modality: of the first two stages.
        rival: model to train instead of MedPatch's fusion part.
        feature_dir: what the encoder left; of stage 1 only where the encoder never trains.
        earlier: folders of the earlier stages, for fusion and rivals.
    """

    stage: Stage
    config: PipelineConfig
    tensor_dir: Path
    out_dir: Path
    inputs: str
    modality: Modality | None = None
    rival: Rival | None = None
    feature_dir: Path | None = None
    earlier: StageDirs | None = None

    @property
    def processes(self) -> int:
        """How many train together; trees are made by one alone."""
        return 1 if self.rival is Rival.BOOSTED_TREES else self.config.train.processes

    def run(self, *, log_metric: LogMetric, progress: Progress | None = None) -> StageResult:
        """Train in this process."""
        ways = {"inputs": self.inputs, "log_metric": log_metric, "progress": progress}
        return _RUN[self.stage](self, ways)

    def to_json(self) -> str:
        """Plain text, the inverse of `from_json`."""
        return json.dumps(
            {
                "stage": self.stage,
                "config": self.config.model_dump(mode="json"),
                "tensor_dir": str(self.tensor_dir),
                "out_dir": str(self.out_dir),
                "inputs": self.inputs,
                "modality": self.modality,
                "rival": self.rival,
                "feature_dir": str(self.feature_dir) if self.feature_dir else None,
                "earlier": self.earlier.to_json() if self.earlier else None,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "Job":
        """The job that `to_json` described."""
        value = json.loads(text)
        return cls(
            stage=Stage(value["stage"]),
            config=PipelineConfig.model_validate(value["config"]),
            tensor_dir=Path(value["tensor_dir"]),
            out_dir=Path(value["out_dir"]),
            inputs=value["inputs"],
            modality=Modality(value["modality"]) if value["modality"] else None,
            rival=Rival(value["rival"]) if value["rival"] else None,
            feature_dir=Path(value["feature_dir"]) if value["feature_dir"] else None,
            earlier=StageDirs.from_json(value["earlier"]) if value["earlier"] else None,
        )


def _unimodal(job: Job, ways: Mapping[str, Any]) -> StageResult:
    from medpatch.train.stage_unimodal import run_unimodal

    return run_unimodal(
        job.config, job.tensor_dir, modality=job.modality, out_dir=job.out_dir, feature_dir=job.feature_dir, **ways
    )


def _confidence(job: Job, ways: Mapping[str, Any]) -> StageResult:
    from medpatch.train.stage_confidence import run_confidence

    return run_confidence(
        job.config, job.tensor_dir, modality=job.modality, out_dir=job.out_dir, feature_dir=job.feature_dir, **ways
    )


def _fusion(job: Job, ways: Mapping[str, Any]) -> StageResult:
    from medpatch.train.stage_fusion import run_fusion
    from medpatch.train.stage_rival import run_rival

    if job.rival is None:
        return run_fusion(job.config, job.tensor_dir, out_dir=job.out_dir, earlier=job.earlier, **ways)
    return run_rival(job.config, job.tensor_dir, rival=job.rival, out_dir=job.out_dir, earlier=job.earlier, **ways)


_RUN: dict[Stage, Callable[[Job, Mapping[str, Any]], StageResult]] = {
    Stage.UNIMODAL: _unimodal,
    Stage.CONFIDENCE: _confidence,
    Stage.FUSION: _fusion,
}
