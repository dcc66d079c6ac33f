"""Weights of linear layers in the order that the CPU's matrix units read them, once instead of at every product."""

import torch
from torch import Tensor, nn

_TOKENS = 64
"""Rows of a usual product, which the order may depend on."""


class PackedLinear(nn.Module):
    """A linear layer without bias, for inference on a CPU; bit by bit the result of the one it is made from."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self._weight = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), _TOKENS)

    def forward(self, x: Tensor) -> Tensor:
        """`x` (..., inputs) to (..., outputs)."""
        product: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, None, "none", [], "")
        return product


def pack_linears(model: nn.Module) -> None:
    """Packs the linear layers of a bf16 model on a CPU in place; leaves all other models as they are."""
    for name, child in model.named_children():
        if not isinstance(child, nn.Linear):
            pack_linears(child)
        elif child.bias is None and child.weight.device.type == "cpu" and child.weight.dtype == torch.bfloat16:
            setattr(model, name, PackedLinear(child))
