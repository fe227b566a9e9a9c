"""What frozen encoders leave of every stay: made once, read by the later stages, the rivals and prediction."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from flows.context import RunContext
from flows.ensure import ensure
from flows.progress import progress_bar
from flows.step import step
from medpatch.config.base import digest_of
from medpatch.config.code import FEATURE_CODE
from medpatch.config.name import Modality
from medpatch.config.part import is_frozen
from medpatch.contract.artifact import fingerprint


@step("encode", run_name="encode-{modality}")
def encode_modality(run: RunContext, modality: Modality, *, tensors: str) -> Path:
    """Run a frozen encoder over all splits; one that is trained in stage 1 must have been."""
    target = run.feature_dir(modality)
    unimodal_dir = None if is_frozen(run.config, modality) else run.unimodal_dir(modality)
    inputs = digest_of(target.name, target.parent.name, tensors, fingerprint(unimodal_dir) if unimodal_dir else None)

    def make() -> None:
        from medpatch.feature.encode import write_features

        with progress_bar(f"encoding {modality}") as progress:
            write_features(
                run.config,
                run.tensor_dir,
                modality=modality,
                out_dir=target,
                unimodal_dir=unimodal_dir,
                inputs=inputs,
                progress=progress,
            )

    ensure(target, inputs=inputs, packages=FEATURE_CODE, make=make)
    return target


@step("pool", run_name="pool-{modality}")
def pool_modality(run: RunContext, modality: Modality) -> Path:
    """Pool the tokens of a modality by confidence."""
    target, feature_dir, confidence_dir = (
        run.pool_dir(modality),
        run.feature_dir(modality),
        run.confidence_dir(modality),
    )
    inputs = digest_of(target.name, fingerprint(feature_dir), fingerprint(confidence_dir))

    def make() -> None:
        from medpatch.feature.pool import write_pools

        with progress_bar(f"pooling {modality}") as progress:
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

    ensure(target, inputs=inputs, packages=FEATURE_CODE, make=make)
    return target


def drop_caches(folders: Iterable[Path]) -> None:
    """Remove features or pools; whoever needs them makes them again."""
    for folder in folders:
        shutil.rmtree(folder)
