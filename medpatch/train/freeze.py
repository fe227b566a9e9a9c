"""Which weights move, and which modules behave as in training."""

from torch import nn


def freeze(module: nn.Module) -> None:
    """Let no weight of the module move."""
    module.requires_grad_(False)


def set_training(network: nn.Module, *, is_training: bool) -> None:
    """Train or eval mode; what is frozen stays in eval mode, so that its dropout is off.

    Deviates: the published code leaves the dropout of the frozen text encoder on.
    """
    network.train(is_training)
    for module in network.modules():
        weights = list(module.parameters())
        if weights and not any(w.requires_grad for w in weights):
            module.eval()
