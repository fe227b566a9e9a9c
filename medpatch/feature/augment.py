"""Random views of a radiograph, in the unimodal stage only."""

import math

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

MAX_DEGREES = 45.0
MAX_SHIFT = 0.15
SCALE = (0.85, 1.15)


def random_view(image: Tensor, generator: torch.Generator) -> Tensor:
    """Flip, rotate, shift and scale each image at random; what moves in from outside is black.

    Args:
        image: (B, H, W) uint8.
        generator: source of randomness, on the CPU.

    Returns:
        (B, H, W) uint8.

    Source: published training of MedPatch (horizontal flip, 45 degrees, shift 0.15, scale 0.85 to 1.15).
    """
    stays = len(image)

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(stays, generator=generator)

    angle = draw(-MAX_DEGREES, MAX_DEGREES) * math.pi / 180
    scale = draw(*SCALE)
    flip = torch.where(torch.rand(stays, generator=generator) < 0.5, -1.0, 1.0)
    # from target to source, in units of half the image: hence twice the shift and the inverse scale
    row_x = torch.stack([flip * angle.cos() / scale, -angle.sin() / scale, 2 * draw(-MAX_SHIFT, MAX_SHIFT)], dim=1)
    row_y = torch.stack([flip * angle.sin() / scale, angle.cos() / scale, 2 * draw(-MAX_SHIFT, MAX_SHIFT)], dim=1)
    theta = torch.stack([row_x, row_y], dim=1).to(image.device)  # (B, 2, 3)
    grid = affine_grid(theta, [stays, 1, *image.shape[1:]], align_corners=False)
    moved = grid_sample(image.unsqueeze(1).float(), grid, align_corners=False)
    return moved.squeeze(1).round().clamp(0, 255).to(torch.uint8)
