"""Both groups of a modality through one projection, normalised, and told by a linear map: scalars only."""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

from medpatch.model.feature import ModalityFeature


@dataclass(frozen=True)
class PairedEvidence:
    """What the pools of one modality say about each label, before offsets.

    Attributes:
        high: (B, K) of the tokens that the model is sure of; meaningless where there is none.
        low: (B, K) of the others, likewise.
    """

    high: Tensor
    low: Tensor


def paired_evidence(
    projection: nn.Linear,
    feature: ModalityFeature,
    *,
    norms: tuple[nn.LayerNorm, nn.LayerNorm],
    weights: tuple[Tensor, Tensor],
) -> PairedEvidence:
    """w_k . norm(projection(pool_k)) of the high and of the low pool, with half of the products.

    The mean over all tokens of a stay is the same for every label and lies between both pools:
    total = share high + (1 - share) low. So only the smaller group of each label is projected, and the total once
    per stay; the larger group is (total - s small) / (1 - s) with s at most one half, which loses no digits. Norm and
    linear map of it need no vector either: its mean, its variance and its product with w are sums of products of the
    projected small group and total.

    Args:
        projection: of the modality, raw width D_raw to D.
        feature: B stays.
        norms: of the high and of the low pool.
        weights: (K, D) of the high and of the low pool.
    """
    if int(feature.is_encoded.sum()) * 2 > len(feature.is_encoded):
        return _evidence(projection, feature, norms=norms, weights=weights)
    here = feature.is_encoded.nonzero().squeeze(1)  # few: the others are not worth their products
    some = replace(feature, **{f.name: getattr(feature, f.name)[here] for f in fields(feature)})
    told = _evidence(projection, some, norms=norms, weights=weights)
    empty = told.high.new_zeros(len(feature.is_encoded), told.high.shape[1])
    return PairedEvidence(empty.index_copy(0, here, told.high), empty.index_copy(0, here, told.low))


def _evidence(
    projection: nn.Linear,
    feature: ModalityFeature,
    *,
    norms: tuple[nn.LayerNorm, nn.LayerNorm],
    weights: tuple[Tensor, Tensor],
) -> PairedEvidence:
    share = feature.high_share  # (B, K)
    is_high = share <= 0.5
    raw_total = torch.lerp(feature.low[:, 0], feature.high[:, 0], share[:, :1])  # (B, D_raw)
    small = projection(torch.where(is_high.unsqueeze(-1), feature.high, feature.low))  # (B, K, D)
    total = projection(raw_total)  # (B, D)
    with torch.autocast(small.device.type, enabled=False):  # variances are differences of sums
        dtype = torch.promote_types(small.dtype, torch.float32)
        return _tell(small.to(dtype), total.to(dtype), share=share, norms=norms, weights=weights)


def _tell(
    small: Tensor,
    total: Tensor,
    *,
    share: Tensor,
    norms: tuple[nn.LayerNorm, nn.LayerNorm],
    weights: tuple[Tensor, Tensor],
) -> PairedEvidence:
    """Evidence from the projected smaller groups (B, K, D), means over all tokens (B, D) and shares (B, K)."""
    width = small.shape[2]
    scaled = torch.stack([w * norm.weight for w, norm in zip(weights, norms, strict=True)], dim=2)  # (K, D, 2)
    both = torch.stack([total, torch.full_like(total, 1.0 / width)], dim=2)  # (B, D, 2)
    with_weight, with_both, square = _Products.apply(small, scaled, both)  # (K, B, 2), (B, K, 2), (B, K)
    cross, mean = with_both.unbind(dim=2)  # (B, K)
    total_mean, total_square = total.mean(dim=1, keepdim=True), total.square().sum(dim=1, keepdim=True)
    # the large group is (total - s small) / (1 - s)
    s = torch.minimum(share, 1.0 - share)
    rest = 1.0 - s
    large_mean = (total_mean - s * mean) / rest
    large_square = (total_square - 2.0 * s * cross + s.square() * square) / rest.square()
    told = []
    for group, is_small in enumerate((share <= 0.5, share > 0.5)):
        one = scaled[:, :, group]  # (K, D)
        of_small = with_weight[:, :, group].T  # (B, K)
        of_large = (total @ one.T - s * of_small) / rest
        middle = torch.where(is_small, mean, large_mean)
        variance = torch.where(is_small, square, large_square) / width - middle.square()
        found = torch.where(is_small, of_small, of_large) - middle * one.sum(dim=1)
        norm, weight = norms[group], weights[group]
        told.append(found * torch.rsqrt(variance.clamp_min(0.0) + norm.eps) + weight @ norm.bias)
    return PairedEvidence(*told)


class _Products(torch.autograd.Function):
    """All products with the small vectors, whose gradient is then summed in one place instead of in three."""

    @staticmethod
    def forward(ctx: FunctionCtx, small: Tensor, scaled: Tensor, both: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of (B, K, D) with (K, D, 2), with (B, D, 2) and with itself."""
        ctx.save_for_backward(small, scaled, both)
        square = torch.linalg.vector_norm(small, dim=2).square()
        return torch.bmm(small.transpose(0, 1), scaled), torch.bmm(small, both), square

    @staticmethod
    def backward(ctx: FunctionCtx, *given: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of the three arguments."""
        small, scaled, both = ctx.saved_tensors
        of_scaled, of_both, of_square = given
        gradient = small * (2.0 * of_square).unsqueeze(-1)
        gradient.baddbmm_(of_both, both.transpose(1, 2))
        gradient.transpose(0, 1).baddbmm_(of_scaled, scaled.transpose(1, 2))
        return (
            gradient,
            torch.bmm(small.permute(1, 2, 0), of_scaled),
            torch.bmm(small.transpose(1, 2), of_both),
        )
