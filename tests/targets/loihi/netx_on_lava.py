# mypy: disable-error-code="import-not-found, import-untyped"
"""Run a ``.net`` file in netx of lava-dl on plain Lava; a worker's script, see ``lava_dl.py``."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np


def handle(
    arrays: dict[str, Any], parameters: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run samples back to back, on neurons that are reset with each sample.

    Parameters
    ----------
    arrays
        ``samples`` ``(samples, steps, *shape)``.
    parameters
        ``path``: folder of edgespike's simulator; ``file``: the ``.net`` file; ``folder``: where
        records are written; ``bits`` of the input's messages.

    Returns
    -------
    values
        For each layer, by its number, the spikes ``(samples, steps, *shape)``; for the last one,
        the potentials.
    """
    sys.path[:0] = [path for path in parameters["path"] if path not in sys.path]
    _prepare()
    return _run(arrays["samples"], parameters), {}


@cache
def _prepare() -> None:
    """Import Lava, and leave out what of lava-dl needs torch, which netx does not call."""
    import run_lava

    run_lava._import_lava()
    neuron = "lava.lib.dl.slayer.neuron"
    for name in ("lava.lib.dl.slayer", neuron, f"{neuron}.rf"):
        sys.modules[name] = ModuleType(name)
    sys.modules[f"{neuron}.rf"].neuron_params = None  # type: ignore[attr-defined]
    sequential = "lava.lib.dl.netx.sequential_modules"
    sys.modules[sequential] = ModuleType(sequential)


def _models() -> dict[Any, Any]:
    """Return what Lava chooses by the tag ``fixed_pt``; to find it, it would import torch."""
    from lava.lib.dl.netx import hdf5
    from lava.lib.dl.netx.blocks import models, process
    from lava.proc.conv.models import PyConvModelFixed
    from lava.proc.dense.models import PyDenseModelBitAcc
    from lava.proc.io.source import PySendModelFixed, RingBuffer
    from lava.proc.lif.models import PyLifResetModelBitAcc
    from lava.proc.lif.process import LIFReset
    from lava_processes.processes import (
        PySpikeRecorderModel,
        PyStateRecorderModel,
        SpikeRecorder,
        StateRecorder,
    )

    return {
        hdf5.Network: hdf5.PyNetworkModel,
        process.Conv: models.PyConvModel,
        process.Dense: models.PyDenseModel,
        process.ConvSynapse: PyConvModelFixed,
        process.DenseSynapse: PyDenseModelBitAcc,
        LIFReset: PyLifResetModelBitAcc,
        RingBuffer: PySendModelFixed,
        SpikeRecorder: PySpikeRecorderModel,
        StateRecorder: PyStateRecorderModel,
    }


def _run(samples: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    from lava.lib.dl.netx import hdf5
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.io.source import RingBuffer
    from lava_processes.processes import SpikeRecorder, StateRecorder

    folder = Path(parameters["folder"])
    net = hdf5.Network(
        net_config=parameters["file"],
        input_message_bits=parameters["bits"],
        reset_interval=samples.shape[1],
        reset_offset=1,
    )
    length = samples.shape[0] * samples.shape[1]
    shape = samples.shape[2:]
    # Lava orders its tensors (width, height, channels); what is flattened stays as the file has it.
    data = samples.reshape(length, *shape)
    data = data.T if net.inp.shape == shape[::-1] else data.reshape(length, -1).T
    source = RingBuffer(data=data.astype(np.int32))
    source.s_out.connect(net.inp)
    recorders = []
    files = [folder / f"{index}.npy" for index in range(len(net.layers))]
    total = length + len(net.layers)
    for layer, file in zip(net.layers, files, strict=True):
        size = int(np.prod(layer.shape))
        np.lib.format.open_memmap(file, mode="w+", dtype=np.int32, shape=(total, size))
        if layer is net.layers[-1]:
            recorders.append(StateRecorder(size=size, file=file))
            recorders[-1].state.connect_var(layer.neuron.v)
        else:
            recorders.append(SpikeRecorder(size=size, file=file))
            layer.out.flatten().connect(recorders[-1].s_in)
    parts = [part for layer in net.layers for part in (layer, layer.synapse, layer.neuron)]
    processes = [net, *parts, *recorders, source]
    models = {process: _models()[type(process)] for process in processes}
    config = Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map=models)
    net.create_runtime(run_cfg=config)
    try:
        net.run(condition=RunSteps(num_steps=total))
    except RuntimeError as error:
        actors = net.runtime._messaging_infrastructure.actors
        raise RuntimeError([actor.exception for actor in actors if actor.exception]) from error
    net.stop()
    values = {}
    for index, (layer, file) in enumerate(zip(net.layers, files, strict=True)):
        rows = np.load(file)[index + 1 :][:length].reshape(length, *layer.shape)
        rows = rows.transpose(0, *range(rows.ndim - 1, 0, -1))
        values[str(index)] = rows.reshape(*samples.shape[:2], *rows.shape[1:])
    return values
