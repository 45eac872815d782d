"""Products in bfloat16 on a CPU that has no instructions for them."""

from typing import Any

BLOCK = 1 << 20  # numbers


def products_in_float32() -> Any:
    """A context in which matrix products in bfloat16 are computed in float32, a block at a time, and rounded.

    For a CPU without instructions for bfloat16, where such a product takes a hundred times as long. What comes out
    are the same losses and the same memory, for all tensors are there in their own sizes; times say nothing.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class InFloat32(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            name = func.overloadpacket.__name__
            if name not in ("mm", "bmm", "addmm") or args[-1].dtype != torch.bfloat16:
                return func(*args, **(kwargs or {}))
            product = _product(*args[-2:])
            return product if name != "addmm" else product.add_(args[0])

    return InFloat32()


def _product(left: Any, right: Any) -> Any:
    """The product of two matrices, or of each two of a batch, in blocks of no more than BLOCK numbers each."""
    import torch

    product = left.new_empty((*left.shape[:-1], right.shape[-1]))
    if left.dim() == 3:
        return torch.stack([_product(*each) for each in zip(left, right, strict=True)], out=product)
    size = max(1, BLOCK // left.shape[1])
    for rows in range(0, left.shape[0], size):
        wide = left[rows : rows + size].float()
        for columns in range(0, right.shape[1], size):
            product[rows : rows + size, columns : columns + size] = wide @ right[:, columns : columns + size].float()
    return product
