"""What every flow is handed: the effective configuration and where each artefact of it lives."""

import logging
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from medpatch.config.arm import Arm
from medpatch.config.base import digest_of
from medpatch.config.error import ConfigError
from medpatch.config.modality import ModalityConfig, TextArm
from medpatch.config.name import Modality, Rival
from medpatch.config.part import (
    confidence_part,
    encoder_part,
    feature_part,
    frozen_part,
    fusion_part,
    is_frozen,
    part_digest,
    rival_part,
)
from medpatch.config.path import PathConfig
from medpatch.config.pipeline import PipelineConfig
from medpatch.config.runner import RunnerConfig
from medpatch.contract.artifact import folder_content
from medpatch.extract.source import RawSource, find_raw, missing_modalities, raw_fingerprint
from medpatch.extract.split_list import read_split_list

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunContext:
    """One run: the configuration that the raw files allow, and its folders.

    Attributes:
        preset: name of the preset it started from, for the eye only.
        config: effective configuration, without the modalities that the raw files lack.
        paths: raw, work and tracking locations.
        source: the raw data sets found.
        raw_fingerprint: digest of the raw files and of the split lists, if any.
        dropped: modalities asked for but absent from the raw files.
        table_dir: folder that is given a copy of the mart tables once they passed the gate; None = no copy.
        runner: where the parts of a step run; changes no result.
        arm: what the run is made with less to read for; None for a run of its own.
    """

    preset: str
    config: PipelineConfig
    paths: PathConfig
    source: RawSource
    raw_fingerprint: str
    dropped: tuple[str, ...]
    table_dir: Path | None = None
    runner: RunnerConfig = field(default_factory=RunnerConfig)
    arm: Arm | None = None

    @property
    def made_up(self) -> str | None:
        """What is invented about the raw files, in a sentence; None for data that do not say so."""
        return None if self.source.made_up is None else str(self.source.made_up["statement"])

    @property
    def staging_dir(self) -> Path:
        """Raw tables as Parquet, shared by all configurations."""
        return self.paths.work_dir / f"staging-{digest_of(self.raw_fingerprint)}"

    @cached_property
    def data_dir(self) -> Path:
        """Folder of the warehouse and the tensors; settled once, as a local tokenizer is read for it."""
        tokenizer = Path(self.config.modality.note_tokenizer)
        content = folder_content(tokenizer) if tokenizer.is_dir() else ""
        return self.paths.work_dir / f"data-{self.config.data_digest(self.raw_fingerprint + content)}"

    @property
    def data_digest(self) -> str:
        """Names the tensors."""
        return self.data_dir.name.removeprefix("data-")

    @property
    def warehouse_dir(self) -> Path:
        """Mart tables as Parquet, judged or not."""
        return self.data_dir / "1_warehouse"

    @property
    def extracted_dir(self) -> Path:
        """Mart tables that passed the gate, where an extraction alone leaves them."""
        return self.table_dir or self.warehouse_dir

    @property
    def tensor_dir(self) -> Path:
        """Shards, one row per stay."""
        return self.data_dir / "2_tensor"

    @property
    def encoder_digest(self) -> str:
        """Names what one set of encoders left: same data, same encoders, same training of stage 1."""
        return part_digest(encoder_part(self.config), self.data_dir.name, *self._revisions.values())

    @property
    def encoder_dir(self) -> Path:
        """Stage-1 models, what they left of every stay, and the scorers over it; shared by runs."""
        return self.paths.work_dir / f"encoder-{self.encoder_digest}"

    @property
    def model_dir(self) -> Path:
        """MedPatch and its rivals on these encoders, one folder per model and setting; shared by runs."""
        return self.paths.work_dir / f"model-{self.encoder_digest}"

    def unimodal_dir(self, modality: Modality) -> Path:
        """Stage 1 of a modality."""
        return self.encoder_dir / f"unimodal-{modality}"

    def feature_dir(self, modality: Modality) -> Path:
        """What its encoder left; one that never trains is shared by seeds and learning rates."""
        if is_frozen(self.config, modality):
            part = frozen_part(self.config, modality, revision=self._revisions[modality])
            return self.paths.work_dir / f"frozen-{part_digest(part, self.data_dir.name)}" / f"feature-{modality}"
        return self.encoder_dir / f"feature-{modality}-{part_digest(feature_part(self.config, modality))}"

    def confidence_dir(self, modality: Modality) -> Path:
        """Stage 2 of a modality."""
        return self.encoder_dir / f"confidence-{modality}-{self._confidence_digest(modality)}"

    def pool_dir(self, modality: Modality) -> Path:
        """What fusion reads of a modality."""
        return self.encoder_dir / f"pool-{modality}-{self._confidence_digest(modality)}"

    def fusion_dir(self) -> Path:
        """Stage 3."""
        earlier = [self._confidence_digest(m) for m in self.config.modality.modalities]
        return self.model_dir / f"medpatch-{part_digest(fusion_part(self.config), *earlier)}"

    def rival_dir(self, rival: Rival) -> Path:
        """One rival."""
        return self.model_dir / f"{rival}-{part_digest(rival_part(self.config, rival))}"

    @property
    def run_dir(self) -> Path:
        """Folder of predictions and the report, and of the list of the models behind them."""
        return self.paths.work_dir / f"run-{self.config.run_digest(self.raw_fingerprint)}"

    @property
    def group_digest(self) -> str:
        """The same for runs that differ in the training seed alone."""
        train = self.config.train.model_copy(update={"seed": 0})
        return self.config.model_copy(update={"train": train}).run_digest(self.raw_fingerprint)

    @property
    def checkpoint_dir(self) -> Path:
        """models.json: where the weights of this run are."""
        return self.run_dir / "3_checkpoint"

    def _confidence_digest(self, modality: Modality) -> str:
        feature_dir = self.feature_dir(modality)
        return part_digest(confidence_part(self.config), feature_dir.parent.name, feature_dir.name)

    @property
    def _revisions(self) -> dict[Modality, str]:
        """Of the pretrained encoders; looked up when training is near, as that may need the network."""
        from medpatch.model.revision import backbone_revision

        encoder = self.config.model.encoder
        name = {Modality.CXR: encoder.cxr_name, Modality.RR: encoder.note_name, Modality.DN: encoder.note_name}
        return {m: backbone_revision(name[m]) for m in self.config.modality.modalities if m in name}

    @property
    def prediction_dir(self) -> Path:
        """predictions.parquet of every model."""
        return self.run_dir / "4_prediction"

    @property
    def report_dir(self) -> Path:
        """Metrics, tables and pictures."""
        return self.run_dir / "report"

    @property
    def oracle_dir(self) -> Path | None:
        """Bayes-optimal probabilities of a made-up tree, read by the report alone."""
        folder = self.paths.raw_dir / "oracle"
        return folder if folder.is_dir() else None

    @cached_property
    def oracle_digest(self) -> str | None:
        """Content of those probabilities; None without them."""
        return None if self.oracle_dir is None else folder_content(self.oracle_dir)


def open_context(preset: str, config: PipelineConfig, *, paths: PathConfig) -> RunContext:
    """Find the raw files, name the modalities they lack, and settle the folders.

    Raises:
        RawDataError: the EHR files are absent, incomplete or of an unknown shape.
        ConfigError: none of the modalities asked for is there, or not the one that an arm is about.
    """
    source = find_raw(paths.raw_dir)
    dropped = missing_modalities(source, config.modality.modalities)
    kept = tuple(m for m in config.modality.modalities if m not in dropped)
    if not kept:
        raise ConfigError(
            f"modality.modalities: none of {[str(m) for m in config.modality.modalities]} is under "
            f"{paths.raw_dir}; add the data set or ask for others"
        )
    if Modality.DN in dropped and TextArm.WITH_DISCHARGE_NOTE in config.modality.text_arms:
        raise ConfigError(
            f"modality.text_arms: {TextArm.WITH_DISCHARGE_NOTE} asks for discharge notes, and no discharge table is "
            f"under {paths.raw_dir}; add MIMIC-IV-Note or leave the arm out"
        )
    found = (source.ehr_dir, source.cxr_dir, source.note_dir)
    logger.info("raw data: release %s in %s", source.release, ", ".join(str(f) for f in found if f is not None))
    if dropped:
        logger.warning(
            "%s not found under %s: the run goes on with %s",
            ", ".join(dropped),
            paths.raw_dir,
            ", ".join(kept),
        )
    modality = ModalityConfig.model_validate({**config.modality.model_dump(), "modalities": kept})
    return RunContext(
        preset=preset,
        config=config.model_copy(update={"modality": modality}),
        paths=paths,
        source=source,
        raw_fingerprint=digest_of(raw_fingerprint(source), read_split_list(config.split, source).to_pylist()),
        dropped=tuple(str(m) for m in dropped),
    )
