"""What frozen encoders leave of every stay: made once, read by the later stages, the rivals and prediction."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from flows.context import RunContext
from flows.ensure import Folder, Progress, ensure_folder
from flows.progress import progress_bar
from flows.step import step
from medpatch.config.base import digest_of
from medpatch.config.code import FEATURE_CODE
from medpatch.config.name import Modality
from medpatch.config.part import is_frozen
from medpatch.contract.artifact import fingerprint


def feature_folder(run: RunContext, modality: Modality, *, tensors: str) -> Folder:
    """What a frozen encoder leaves of all splits; one that is trained in stage 1 must have been.

    Raises:
        ContractError: it has not.
    """
    target = run.feature_dir(modality)
    unimodal_dir = None if is_frozen(run.config, modality) else run.unimodal_dir(modality)
    inputs = digest_of(target.name, target.parent.name, tensors, fingerprint(unimodal_dir) if unimodal_dir else None)

    def make(progress: Progress | None) -> None:
        from medpatch.feature.encode import write_features

        write_features(
            run.config,
            run.tensor_dir,
            modality=modality,
            out_dir=target,
            unimodal_dir=unimodal_dir,
            inputs=inputs,
            progress=progress,
        )

    return Folder(target, inputs, FEATURE_CODE, make)


def pool_folder(run: RunContext, modality: Modality) -> Folder:
    """The tokens of a modality pooled by confidence.

    Raises:
        ContractError: its features or its scorer are not there.
    """
    target, feature_dir = run.pool_dir(modality), run.feature_dir(modality)
    confidence_dir = run.confidence_dir(modality)
    inputs = digest_of(target.name, fingerprint(feature_dir), fingerprint(confidence_dir))

    def make(progress: Progress | None) -> None:
        from medpatch.feature.pool import write_pools

        write_pools(
            run.config,
            run.tensor_dir,
            modality=modality,
            out_dir=target,
            feature_dir=feature_dir,
            unimodal_dir=run.unimodal_dir(modality),
            confidence_dir=confidence_dir,
            inputs=inputs,
            progress=progress,
        )

    return Folder(target, inputs, FEATURE_CODE, make)


@step("encode", run_name="encode-{modality}")
def encode_modality(run: RunContext, modality: Modality, *, tensors: str) -> Path:
    """Run a frozen encoder over all splits."""
    return _made(feature_folder(run, modality, tensors=tensors), f"encoding {modality}")


@step("pool", run_name="pool-{modality}")
def pool_modality(run: RunContext, modality: Modality) -> Path:
    """Pool the tokens of a modality by confidence."""
    return _made(pool_folder(run, modality), f"pooling {modality}")


def drop_caches(folders: Iterable[Path]) -> None:
    """Remove features or pools; whoever needs them makes them again."""
    for folder in folders:
        shutil.rmtree(folder)


def _made(folder: Folder, title: str) -> Path:
    ensure_folder(folder, around=lambda: progress_bar(title))
    return folder.target
