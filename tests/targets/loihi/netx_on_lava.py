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
        if it is dense, the potentials, and its spikes as ``spikes``.
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
    from lava.proc.dense.models import PyDelayDenseModelBitAcc, PyDenseModelBitAcc
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
        process.Input: models.PyInputModel,
        process.RecurrentDense: _recurrent_model(),
        process.ConvSynapse: PyConvModelFixed,
        process.DenseSynapse: PyDenseModelBitAcc,
        process.DelayDenseSynapse: PyDelayDenseModelBitAcc,
        LIFReset: PyLifResetModelBitAcc,
        RingBuffer: PySendModelFixed,
        SpikeRecorder: PySpikeRecorderModel,
        StateRecorder: PyStateRecorderModel,
    }


@cache
def _recurrent_model() -> Any:
    """Return a model of netx's recurrent block, of which lava-dl 0.6.0 has none.

    As for its other blocks, the processes inside the block do all.
    """
    from lava.lib.dl.netx.blocks import models, process
    from lava.magma.core.decorator import implements, requires, tag
    from lava.magma.core.resources import CPU
    from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

    class PyRecurrentDenseModel(models.AbstractPyBlockModel):  # type: ignore[misc]
        def __init__(self, proc: Any) -> None:
            super().__init__(proc)

    model: Any = tag("fixed_pt")(requires(CPU)(PyRecurrentDenseModel))
    return implements(proc=process.RecurrentDense, protocol=LoihiProtocol)(model)


def _run(samples: Any, parameters: dict[str, Any]) -> dict[str, Any]:
    from lava.lib.dl.netx import hdf5
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.io.source import RingBuffer
    from lava_processes.processes import SpikeRecorder, StateRecorder

    folder = Path(parameters["folder"])
    direct = parameters.get("direct", False)  # an input layer's neurons need no synapse's step
    net = hdf5.Network(
        net_config=parameters["file"],
        input_message_bits=parameters["bits"],
        input_shape=samples.shape[:1:-1] if len(samples.shape) == 5 else None,
        reset_interval=samples.shape[1],
        reset_offset=0 if direct else 1,
    )
    length = samples.shape[0] * samples.shape[1]
    shape = samples.shape[2:]
    # Lava orders its tensors (width, height, channels); what is flattened stays as the file has it.
    data = samples.reshape(length, *shape)
    # An input layer's port leads nowhere; its neurons are driven.
    port = net.in_layer.neuron.a_in if direct else net.inp
    data = data.T if port.shape == shape[::-1] else data.reshape(length, -1).T
    source = RingBuffer(data=data.astype(np.int32))
    source.s_out.connect(port)
    recorders = []
    last = len(net.layers) - 1
    recorded = [(str(index), layer, index) for index, layer in enumerate(net.layers)]
    if len(net.layers[-1].shape) == 1:
        recorded.append(("spikes", net.layers[-1], last))
    total = length + len(net.layers)
    for name, layer, _ in recorded:
        size, file = int(np.prod(layer.shape)), folder / f"{name}.npy"
        np.lib.format.open_memmap(file, mode="w+", dtype=np.int32, shape=(total, size))
        if name == str(last) and recorded[-1][0] == "spikes":
            recorders.append(StateRecorder(size=size, file=file))
            recorders[-1].state.connect_var(layer.neuron.v)
        else:
            recorders.append(SpikeRecorder(size=size, file=file))
            layer.out.flatten().connect(recorders[-1].s_in)
    names = ("synapse", "synapse_rec", "neuron")
    inside = [getattr(layer, name, None) for layer in net.layers for name in names]
    parts = [part for part in (*net.layers, *inside) if part is not None]
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
    for name, layer, index in recorded:
        rows = np.load(folder / f"{name}.npy")[index + (not direct) :][:length]
        rows = rows.reshape(length, *layer.shape)
        rows = rows.transpose(0, *range(rows.ndim - 1, 0, -1))
        values[name] = rows.reshape(*samples.shape[:2], *rows.shape[1:])
    return values
