"""One GPU, one run at a time: a limit that the Prefect server keeps."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.concurrency.sync import concurrency
from prefect.context import FlowRunContext
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from medpatch.config.pipeline import PipelineConfig

logger = logging.getLogger(__name__)

GPU = "gpu"
"""Name of the limit, and of the work queue for machines that have one."""
LEASE_SECONDS = 60.0


@contextmanager
def gpu_slot(config: PipelineConfig) -> Iterator[bool]:
    """Hold the GPU limit while the block trains or predicts on CUDA; yields True if it does.

    A run that asks for a GPU where there is none goes on on the CPU and says so. The slot is a lease of a
    minute that is renewed while we live: a killed run gives it back.
    """
    is_wanted = wants_gpu(config)
    if is_wanted:
        _ensure_limit()
        logger.info("waiting for the GPU")
    with concurrency(GPU, lease_duration=LEASE_SECONDS, strict=True) if is_wanted else nullcontext():
        yield is_wanted


def wants_gpu(config: PipelineConfig) -> bool:
    """True if this run uses CUDA here; warns where it would and cannot."""
    import torch

    if config.train.device == "cpu":
        return False
    if torch.cuda.is_available():
        return True
    logger.warning("train.device is %r but this machine has no CUDA GPU: running on the CPU", config.train.device)
    return False


def _ensure_limit() -> None:
    """The limit, one slot unless somebody has set another number."""
    if FlowRunContext.get() is None:
        return
    with get_client(sync_client=True) as client:
        try:
            client.read_global_concurrency_limit_by_name(GPU)
        except ObjectNotFound:
            try:
                client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=GPU, limit=1))
            except ObjectAlreadyExists:  # another run made it in between
                return
