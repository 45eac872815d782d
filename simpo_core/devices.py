"""Devices: which one, how many, how fast they are said to be, and how work is shared among several."""

import ctypes
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from simpo_core.inputs import UserError

# Dense bfloat16 arithmetic per second, from NVIDIA's data sheets (the larger figures there count sparsity).
PEAK_FLOPS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12, "4090": 165e12}
OTHER_MODELS = {"NVL", "MIG", "Laptop", "D"}  # words in the names of cards that do less than their namesakes


def choose_device(name: str) -> torch.device:
    """The device to train on: this process's own GPU, or the CPU.

    Raises UserError if CUDA is asked for where there is none.
    """
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise UserError(
            'device is "cuda", but torch sees no GPU here: set device = "cpu", or install a CUDA build of torch'
        )
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device


def keep_freed_memory() -> None:
    """Let this process keep what tensors on the CPU free, for the next step's to use.

    glibc gives large blocks back to the system and takes them again, emptied page by page, at every step: measured
    at a tenth of a CPU step's time. Does nothing where there is no glibc.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD
    mallopt(-4, 0)  # M_MMAP_MAX


def join_processes(device: torch.device) -> None:
    """Meet the other processes that torchrun started, if it did."""
    if "TORCHELASTIC_RUN_ID" in os.environ and not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")


def part(status: int) -> None:
    """End this process with this exit status, if it trains with others and there is nothing more to say to them.

    Not after an error: others may still wait for this one. Python's own way out is not taken: a thread of gloo's that
    frees a tensor meanwhile aborts the process after all its work is done, and fails the run, also when the process
    group was destroyed (https://github.com/pytorch/pytorch/pull/179291; seen 3 times in 40 runs on a busy machine).
    """
    if dist.is_initialized():
        dist.destroy_process_group()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def world_size() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def add_up(values: Tensor) -> Tensor:
    """The sum over all processes."""
    if dist.is_initialized():
        dist.all_reduce(values)
    return values


def wait_for_all() -> None:
    """Go on when every process has come here."""
    if dist.is_initialized():
        dist.barrier()


def shard(scorer: Any, layers: Any) -> None:
    """Spread the weights over the processes (FSDP2): each holds a part and gathers a layer when it is needed."""
    if world_size() == 1:
        return
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    kind = next(scorer.parameters()).device.type
    mesh = init_device_mesh(kind, (world_size(),))
    for layer in layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(scorer, mesh=mesh)


def reshard(scorer: Any) -> None:
    """Let go of weights that a pass without a backward one has gathered; else they would pass for the process's own."""
    if world_size() > 1:
        scorer.reshard()


def send(values: Tensor, device: torch.device) -> Tensor:
    """Some values of this machine's memory on the device; a GPU's work goes on meanwhile."""
    if device.type == "cuda" and not values.is_cuda:
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)


@contextmanager
def exact_products() -> Iterator[None]:
    """Have a GPU multiply float32 numbers as such, not rounded to TF32 as some containers tell torch to."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")  # and not the newer `fp32_precision`: torch refuses to have both set
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def has_bfloat16(device: str = "auto") -> bool:
    """Whether the device multiplies bfloat16 numbers quickly: GPUs since Ampere, CPUs with AVX-512 bf16, AMX or Arm's.

    CPUs with AVX-512 but not its bf16 have torch's kernels too; those are slower than float32's.
    """
    if device != "cpu" and torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    try:
        if platform.machine().lower() in ("x86_64", "amd64"):
            return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):
        return False


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, of a GPU's or of this machine's."""
    # on a CPU torch raises a plain RuntimeError: "DefaultCPUAllocator: can't allocate memory"
    words = "can't allocate memory" in str(error) or "not enough memory" in str(error)
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (isinstance(error, RuntimeError) and words)


def peak_flops(device: torch.device) -> float | None:
    """The device's bfloat16 operations per second by its data sheet, or None where unknown."""
    if device.type != "cuda":
        return None
    words = set(torch.cuda.get_device_name(device).replace("-", " ").split())
    if words & OTHER_MODELS or {"H100", "PCIe"} <= words:
        return None
    return next((peak for name, peak in PEAK_FLOPS.items() if name in words), None)


def peak_memory(device: torch.device) -> int:
    """Most bytes in use so far: of the GPU's memory, or of this process's; 0 where the system doesn't say (Windows)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
