"""Label logits from which modalities a stay brings."""

from torch import Tensor, nn

from medpatch.config.model import Compat
from medpatch.model.head import Head, LogitMap


class Missingness(nn.Module):
    """A linear map of the presence pattern.

    Source: MedPatch, missingness module.
    Deviates: no layer normalisation over the pattern. It maps the commonest one, all present, to zero, and
    its bias is all that is left. `Compat.PUBLISHED` keeps it.
    """

    def __init__(self, modality_count: int, label_count: int, *, compat: Compat = Compat.REPAIRED) -> None:
        """Take M and K."""
        super().__init__()
        is_published = compat is Compat.PUBLISHED
        self.head = (Head if is_published else LogitMap)(modality_count, label_count)

    def forward(self, presence: Tensor) -> Tensor:
        """(B, M) bool -> (B, K)."""
        return self.head(presence.to(next(self.parameters()).dtype))

    @property
    def bias(self) -> Tensor:
        """(K,) what is said before the pattern is looked at."""
        return (self.head.linear if isinstance(self.head, Head) else self.head).bias
