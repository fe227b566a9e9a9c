"""Tensors of a checkpoint: equal ones stored once, and strict on load."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from medpatch.config.error import CheckpointError

WEIGHTS = "weights.safetensors"
SAME = "same"
"""Entry of the file's header: name of a tensor that is not stored -> the equal one that is."""
NAMES_SHOWN = 3


def write_weights(folder: Path, state: Mapping[str, Tensor]) -> None:
    """Equal tensors are stored once: rr and dn may carry the same frozen text encoder."""
    first: dict[tuple[object, ...], str] = {}
    same = {}
    for name, value in state.items():
        content = hashlib.sha256(value.cpu().contiguous().flatten().view(torch.uint8).numpy())
        same[name] = first.setdefault((content.digest(), value.shape, value.dtype), name)
    kept = {name: state[name].contiguous() for name in first.values()}
    # one entry: safetensors writes several in an order that changes from process to process
    repeated = {name: of for name, of in same.items() if name != of}
    save_file(kept, folder / WEIGHTS, metadata={SAME: json.dumps(repeated, sort_keys=True)})


def restore(network: nn.Module, folder: Path) -> nn.Module:
    """The network with the weights of a folder, every name, shape and type of which must fit.

    Raises:
        CheckpointError: they do not, and it names some that do not; or they cannot be read.
    """
    try:
        found = _read_weights(folder / WEIGHTS)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise CheckpointError(f"{folder}: {WEIGHTS} cannot be read ({type(error).__name__}); train again") from error
    wrong = _misfits(found, network.state_dict())
    if wrong:
        raise CheckpointError(f"{folder}: {WEIGHTS} does not fit its description: {wrong}; train again")
    network.load_state_dict(found)
    return network


def _misfits(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str:
    """Which tensors are not as the network has them, in words; empty if all are."""
    both = [name for name in expected if name in found]
    wrong = {
        "missing": [name for name in expected if name not in found],
        "unexpected": sorted(name for name in found if name not in expected),
        "of another shape": [name for name in both if found[name].shape != expected[name].shape],
        "of another type": [name for name in both if found[name].dtype != expected[name].dtype],
    }
    return ", ".join(f"{len(names)} {how} ({_some(names)})" for how, names in wrong.items() if names)


def _some(names: list[str]) -> str:
    rest = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _read_weights(file: Path) -> dict[str, Tensor]:
    state = load_file(file)
    with safe_open(file, framework="pt") as opened:
        same = json.loads((opened.metadata() or {}).get(SAME, "{}"))
    return state | {name: state[of] for name, of in same.items()}
