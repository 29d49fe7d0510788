"""The processes that train one net together, started by ``torchrun``, and the device of each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel


class Processes:
    """The processes of a run, seen from one: a single one, or as many as ``torchrun`` started.

    Attributes
    ----------
    index, count
        Number of this process, from 0, and of all.
    main
        Whether this process writes files and shows progress.
    device
        Where this process trains: its own GPU of CUDA or XPU if there is one, else the CPU. Sums
        are float64, which Apple's GPUs do not have.
    """

    def __init__(self) -> None:
        self.index, self.count = _number("RANK", 0), _number("WORLD_SIZE", 1)
        self.main = self.index == 0
        self.device = _device(_number("LOCAL_RANK", 0))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Connect the processes during the block; the last to finish lets all go on."""
        if self.count == 1 or distributed.is_initialized():
            yield
            return
        distributed.init_process_group(_BACKENDS[self.device.type])
        try:
            yield
            distributed.barrier()
        finally:
            distributed.destroy_process_group()

    def share(self, model: nn.Module) -> nn.Module:
        """Return a model on this process's device whose gradients are means over all processes."""
        model.to(self.device)
        if self.count == 1:
            return model
        return DistributedDataParallel(
            model, None if self.device.type == "cpu" else [self.device.index]
        )

    def total(self, values: Tensor) -> Tensor:
        """Return the sum of the values of all processes."""
        if self.count > 1:
            values = values.clone()
            distributed.all_reduce(values)
        return values


def _number(variable: str, otherwise: int) -> int:
    return int(os.environ.get(variable, str(otherwise)))


_BACKENDS = {"cuda": "nccl", "xpu": "xccl", "cpu": "gloo"}


def _device(place: int) -> torch.device:
    for kind, gpus in (("cuda", torch.cuda), ("xpu", torch.xpu)):
        if gpus.is_available():
            device = torch.device(kind, place)
            gpus.set_device(device)
            return device
    return torch.device("cpu")
