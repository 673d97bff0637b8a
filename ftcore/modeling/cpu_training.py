"""Makes a model's training step cheaper on a CPU, with the same mathematics.

Two things cost more there than they should. torch draws dropout masks from one serial generator, number by number;
here a mask is 16 random bits an element, from a generator that fills memory at its speed. And with dropout on,
attention takes a slow path; here it is three plain products in the precision around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import eager_mask

#: Architectures whose attention is softmax(q k / sqrt(d) + mask) v and nothing else; the tests hold them to it.
PLAIN_ATTENTION = frozenset({"bert", "camembert", "distilbert", "electra", "roberta", "xlm-roberta"})
_ATTENTION = "ftcore_plain"
_LEVELS = 1 << 16
_INTEGERS = {
    torch.bfloat16: torch.int16,
    torch.float16: torch.int16,
    torch.float32: torch.int32,
    torch.float64: torch.int64,
}


def prepare_for_cpu(model: torch.nn.Module) -> None:
    """Swap dropout and, where it is plain, attention of `model`, in place; weights and outputs stay the same.

    A dropout probability is rounded to a 65,536th. The masks follow torch's generator (one draw a mask seeds
    them), so that a seed or a restored random state gives them again.
    """
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is torch.nn.Dropout:
                setattr(module, name, FastDropout(child.p).train(child.training))
    if isinstance(model, PreTrainedModel) and model.config.model_type in PLAIN_ATTENTION:
        model.set_attn_implementation(_ATTENTION)


class FastDropout(torch.nn.Module):
    """`torch.nn.Dropout` with cheap masks.

    Args:
        p: probability that an element becomes 0; the others are scaled by 1 / (1 - p).
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Any shape; the same shape and dtype."""
        return fast_dropout(x, self.p) if self.training else x

    def extra_repr(self) -> str:
        """The probability, as torch.nn.Dropout shows it."""
        return f"p={self.p}"


def fast_dropout(x: torch.Tensor, p: float) -> torch.Tensor:
    """Set elements of `x` to 0 with probability `p`, scale the others by 1 / (1 - p)."""
    dropped = round(p * _LEVELS)
    if dropped == 0:
        return x
    keep = _keep_mask(x.shape, dropped, _INTEGERS[x.dtype])
    kept: torch.Tensor = _Dropout.apply(x, keep, 1 / (1 - dropped / _LEVELS))  # type: ignore[no-untyped-call]
    return kept


def _keep_mask(shape: Sequence[int], dropped: int, dtype: torch.dtype) -> torch.Tensor:
    """1 with probability 1 - dropped / 65,536, else 0."""
    seed = int(torch.randint(1 << 62, ()))
    count = int(np.prod(shape))
    bits = np.random.SFC64(seed).random_raw(-(-count // 4)).view(np.uint16)[:count]
    return torch.from_numpy(bits >= dropped).view(shape).to(dtype)


class _Dropout(torch.autograd.Function):
    """Masks by multiplying the bits of a number, as an integer of its size, with 0 or 1.

    A product with a mask of bool is slower by a factor of four: torch converts the mask first, number by number.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, keep: torch.Tensor, scale: float) -> torch.Tensor:  # noqa: ANN401
        ctx.save_for_backward(keep)
        ctx.scale = scale
        return _masked(x, keep).mul_(scale)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor, None, None]:  # noqa: ANN401
        (keep,) = ctx.saved_tensors
        return _masked(grads[0], keep).mul_(ctx.scale), None, None


def _masked(x: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
    return (x.view(keep.dtype) * keep).view(x.dtype)


def _plain_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **unused: object,
) -> tuple[torch.Tensor, None]:
    """softmax(q k^T scaling + mask) v, from [batch, heads, length, size] to [batch, length, heads, size]."""
    scores = torch.matmul(query, key.transpose(2, 3)) * scaling
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = F.softmax(scores, dim=-1).to(query.dtype)
    if dropout:
        weights = fast_dropout(weights, dropout)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), None


AttentionInterface.register(_ATTENTION, _plain_attention)
AttentionMaskInterface.register(_ATTENTION, eager_mask)
