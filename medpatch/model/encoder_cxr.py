"""Chest radiograph to tokens: the class token, then one token per patch."""

import torch
from torch import Tensor, nn

from medpatch.contract.batch import Tokens

CHANNEL_MEAN = (0.485, 0.456, 0.406)
CHANNEL_STD = (0.229, 0.224, 0.225)


class CxrEncoder(nn.Module):
    """A vision transformer after its final norm; the summary is the class token.

    Position embeddings are interpolated to the size of the image, so that weights trained at 224 px serve 384 px.

    Source: MedPatch, ViT-S/16 at 384 px; channel statistics of ImageNet.
    """

    def __init__(self, backbone: nn.Module, width: int) -> None:
        """Take a transformers ViTModel and its hidden size D."""
        super().__init__()
        self.width = width
        self.backbone = backbone
        self.register_buffer("mean", torch.tensor(CHANNEL_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(CHANNEL_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, value: Tensor, mask: Tensor) -> Tokens:
        """Tokens of stays that have a radiograph.

        Args:
            value: (B, H, W) uint8, grey.
            mask: (B,) bool, True where there is an image.
        """
        grey = value.to(self.mean.dtype).unsqueeze(1) / 255.0  # (B, 1, H, W)
        pixels = (grey - self.mean) / self.std  # (B, 3, H, W)
        tokens = self.backbone(pixel_values=pixels, interpolate_pos_encoding=True).last_hidden_state
        token_mask = mask.unsqueeze(1).expand(tokens.shape[:2])
        tokens = tokens.masked_fill(~token_mask.unsqueeze(-1), 0.0)
        return Tokens(value=tokens, token_mask=token_mask, pooled=tokens[:, 0])
