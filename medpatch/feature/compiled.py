"""The body of a frozen encoder through torch.compile."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from medpatch.config.error import ConfigError
from medpatch.model.unimodal import Unimodal


@contextmanager
def compiled(network: Unimodal, *, is_wanted: bool) -> Iterator[None]:
    """Let the transformer body of that network be compiled at its first batches inside the block.

    It is compiled in place: a wrapper around it would prefix the names of its weights. The network stays compiled
    afterwards. An EHR encoder has no such body and is left alone.

    Raises:
        ConfigError: it cannot be compiled on this machine.
    """
    body = getattr(network.encoder, "backbone", None)
    if body is None or not is_wanted:
        yield
        return
    body.compile()
    try:
        yield
    except torch._dynamo.exc.TorchDynamoException as error:
        raise ConfigError(
            f"train.compile_encoders: the {network.modality} encoder cannot be compiled here, which takes a C++ "
            f"compiler and the headers of Python; install them or leave the setting out ({str(error).splitlines()[0]})"
        ) from error
