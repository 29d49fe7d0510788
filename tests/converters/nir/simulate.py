# mypy: disable-error-code="import-not-found, import-untyped"
"""Runs inside a simulator's folder of packages: writes or reads a NIR file, and runs the net.

Parameters are dyadic where a simulator allows it, so that floats are exact and equality means that
the steps are the same.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import nir
import numpy as np
import torch
from torch import nn


def weights(*shape: int, step: float = 2.0**-4, seed: int = 0) -> torch.Tensor:
    """Return dyadic weights."""
    rng = np.random.default_rng(seed + sum(shape))
    return torch.from_numpy(rng.integers(-14, 19, shape) * step)


def linear(inputs: int, outputs: int, bias: bool = True, seed: int = 0) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=bias, dtype=torch.float64)
    # Some neurons give float32 whatever they get.
    layer.register_forward_pre_hook(lambda _, inputs: inputs[0].double())
    layer.weight.data = weights(outputs, inputs, seed=seed)
    if bias:
        layer.bias.data = weights(outputs, step=2.0**-6, seed=seed)
    return layer


def record(layers: Any, call: Any, samples: Any, kinds: Any) -> dict[str, Any]:
    """Run steps, and return what each layer of some types gave, ``(samples, steps, ...)``."""
    seen: dict[str, list[Any]] = {}

    def keep(name: str) -> Any:
        def hook(module: Any, inputs: Any, output: Any) -> None:
            value = output[0] if isinstance(output, tuple) else output
            seen.setdefault(name, []).append(value.detach().numpy().copy())

        return hook

    hooks: list[Any] = [layer.register_forward_hook(keep(str(i)))
             for i, layer in enumerate(layers) if isinstance(layer, kinds)]  # fmt: skip
    with torch.no_grad():
        for t in range(samples.shape[1]):
            call(samples[:, t])
    for hook in hooks:
        hook.remove()
    return {name: np.stack(values, 1) for name, values in seen.items()}


# --- snnTorch -------------------------------------------------------------------------------------


def snntorch_write(task: dict[str, Any], samples: Any) -> dict[str, Any]:
    import snntorch as snn
    from snntorch.export_nir import export_to_nir

    def each(count: int, value: float) -> torch.Tensor:
        return torch.full((count,), value, dtype=torch.float64)

    reset = {"reset_mechanism": task["reset"], "init_hidden": True}
    if task.get("no_delay"):
        reset["reset_delay"] = False
    first: Any
    match task["net"]:
        case "leaky":
            betas = torch.tensor([0.5, 0.75, 0.875, 0.5, 0.25, 0.5], dtype=torch.float64)
            first = snn.Leaky(beta=betas, threshold=each(6, 1.0), **reset)
        case "synaptic":
            first = snn.Synaptic(
                alpha=each(6, 0.75), beta=each(6, 0.5), threshold=each(6, 1.5), **reset
            )
        case "rleaky":
            first = snn.RLeaky(
                beta=each(6, 0.5), threshold=each(6, 1.0), linear_features=6, **reset
            )
        case "rsynaptic":
            first = snn.RSynaptic(
                alpha=each(6, 0.5), beta=each(6, 0.75), threshold=each(6, 1.0),
                linear_features=6, **reset,
            )  # fmt: skip
    if task["net"].startswith("r"):
        first.recurrent = linear(6, 6, seed=5)
    last = snn.Leaky(beta=each(4, 0.5), threshold=each(4, 1.0), output=True, **reset)
    net = nn.Sequential(linear(8, 6), first, linear(6, 4, bias=False, seed=2), last)
    graph = export_to_nir(net.double(), torch.zeros(1, 8, dtype=torch.float64), ignore_dims=[0])
    nir.write(task["file"], graph)
    for layer in (first, last):
        layer.reset_mem()
    found = record(list(net), net, samples, (type(first), type(last)))
    return {("1.lif" if task["net"].startswith("r") and k == "1" else k): v
            for k, v in found.items()}  # fmt: skip


def snntorch_read(task: dict[str, Any], samples: Any) -> dict[str, Any]:
    from snntorch.import_nir import import_from_nir

    net = import_from_nir(nir.read(task["file"]))
    return {"output": functional(net, samples.float())}


def functional(net: Any, samples: Any) -> Any:
    """Run a net that nirtorch made, which returns its state beside its output."""
    state, values = None, []
    with torch.no_grad():
        for t in range(samples.shape[1]):
            found = net(samples[:, t], state) if state is not None else net(samples[:, t])
            value, state = found if isinstance(found, tuple) else (found, None)
            values.append((value[0] if isinstance(value, tuple) else value).numpy())
    return np.stack(values, 1)


# --- norse ----------------------------------------------------------------------------------------


def norse_write(task: dict[str, Any], samples: Any) -> dict[str, Any]:
    import norse.torch as nt
    from norse.torch.functional.iaf import IAFParameters
    from norse.torch.functional.lif import LIFParameters
    from norse.torch.functional.lif_box import LIFBoxParameters
    from norse.torch.module.iaf import IAFCell
    from norse.torch.module.leaky_integrator_box import LIBoxCell, LIBoxParameters
    from norse.torch.module.lif_box import LIFBoxCell
    from norse.torch.utils.export_nir import to_nir

    rate = {"tau_mem_inv": torch.tensor(500.0), "v_th": torch.tensor(0.5)}
    cells = {
        "box": lambda: LIFBoxCell(LIFBoxParameters(**rate)),
        "cell": lambda: nt.LIFCell(LIFParameters(tau_syn_inv=torch.tensor(250.0), **rate)),
        "iaf": lambda: IAFCell(IAFParameters(v_th=torch.tensor(1.0))),
        "li": lambda: LIBoxCell(LIBoxParameters(tau_mem_inv=torch.tensor(500.0))),
    }
    first, last = (cells[name]() for name in task["net"].split())
    net = nt.SequentialState(linear(8, 6), first, linear(6, 4, bias=False, seed=2), last)
    nir.write(task["file"], to_nir(net, torch.zeros(1, 8, dtype=torch.float64)), compression=None)
    state: list[Any] = [None]

    def call(x: Any) -> None:
        _, state[0] = net(x, state[0])

    return record([*net.children()], call, samples, (type(first), type(last)))


def norse_read(task: dict[str, Any], samples: Any) -> dict[str, Any]:
    from norse.torch.utils.import_nir import from_nir

    net = from_nir(nir.read(task["file"]), dt=task.get("dt", 1e-3))
    return {"output": functional(net, samples.float())}


# --- sinabs ---------------------------------------------------------------------------------------


def sinabs_write(task: dict[str, Any], samples: Any) -> dict[str, Any]:
    import sinabs.layers as sl
    import sinabs.nir

    conv = nn.Conv2d(2, 3, 3, padding=1, bias=False, dtype=torch.float64)
    conv.weight.data = weights(3, 2, 3, 3)
    iaf = sl.IAFSqueeze(batch_size=1, spike_threshold=torch.tensor(1.0), min_v_mem=-1.0)
    lif = sl.LIFSqueeze(
        tau_mem=torch.full((5,), 4.0), spike_threshold=torch.ones(5), batch_size=1,
        norm_input=False,
    )  # fmt: skip
    net = nn.Sequential(conv, iaf, sl.SumPool2d(2), nn.Flatten(), linear(3 * 3 * 3, 5, seed=1), lif)
    net(torch.zeros(1, 2, 6, 6, dtype=torch.float64))
    graph = sinabs.nir.to_nir(net, torch.zeros(1, 2, 6, 6, dtype=torch.float64))
    graph.infer_types()
    nir.write(task["file"], graph)
    values: dict[str, list[Any]] = {}
    for sample in samples:
        for layer in (iaf, lif):
            layer.reset_states()
        for name, value in record(list(net), net, sample[None], (type(iaf), type(lif))).items():
            values.setdefault(name, []).append(value[0])
    return {name: np.stack(value) for name, value in values.items()}


def sinabs_read(task: dict[str, Any], samples: Any) -> dict[str, Any]:
    import sinabs.nir

    graph = nir.read(task["file"])
    values = []
    for sample in samples:
        net = sinabs.nir.from_nir(graph, batch_size=1)
        values.append(functional(net, sample[None].float())[0])
    return {"output": np.stack(values)}


# --- SpikingJelly ---------------------------------------------------------------------------------


def spikingjelly_write(task: dict[str, Any], samples: Any) -> dict[str, Any]:
    from spikingjelly.activation_based import layer, neuron
    from spikingjelly.activation_based.nir_exchange import export_to_nir

    if task["net"] == "dense":
        first = neuron.IFNode(v_threshold=1.0, v_reset=task["v_reset"])
        last = neuron.LIFNode(tau=2.0, v_threshold=0.5, v_reset=task["v_reset"])
        parts: list[Any] = [linear(8, 6), first, linear(6, 4, bias=False, seed=2), last]
        shape: tuple[int, ...] = (1, 8)
    else:
        conv = layer.Conv2d(2, 3, 3, padding=1)
        conv.weight.data, conv.bias.data = weights(3, 2, 3, 3), weights(3, step=2.0**-6)
        first = neuron.LIFNode(tau=4.0, decay_input=False)
        last = neuron.CUBALIFNode(c_decay=0.5, v_decay=0.75, v_threshold=0.5)
        dense = linear(27, 4)
        parts = [conv, first, layer.AvgPool2d(2), layer.Flatten(), dense, last]
        shape = (1, 2, 6, 6)
    net = nn.Sequential(*parts).double()
    export_to_nir(net, torch.zeros(shape, dtype=torch.float64), save_path=task["file"])
    found = record(list(net), net, samples, (type(first), type(last)))
    return {f"_{name}": value for name, value in found.items()}


def spikingjelly_read(task: dict[str, Any], samples: Any) -> dict[str, Any]:
    from spikingjelly.activation_based.nir_exchange import import_from_nir

    net = import_from_nir(task["file"], dt=task.get("dt", 1e-4))
    return {"output": functional(net, samples.float())}


# --- Rockpool -------------------------------------------------------------------------------------


def rockpool_write(task: dict[str, Any], samples: Any) -> dict[str, Any]:
    from rockpool.nn.combinators import Sequential
    from rockpool.nn.modules import LIFNeuronTorch, LIFTorch, LinearTorch
    from rockpool.nn.modules.torch.nir import to_nir

    first = (
        LIFTorch(6, tau_mem=0.002, tau_syn=0.004, threshold=1.0, dt=1e-3)
        if task["net"] == "cuba"
        else LIFNeuronTorch(6, tau_mem=0.002, threshold=1.0, dt=1e-3)
    )
    last = LIFNeuronTorch(4, tau_mem=0.005, threshold=1.0, dt=1e-3)
    net = Sequential(
        LinearTorch((8, 6), weight=weights(8, 6), has_bias=False), first,
        LinearTorch((6, 4), weight=weights(6, 4), bias=weights(4, step=2.0**-6), has_bias=True),
        last,
    )  # fmt: skip
    nir.write(task["file"], to_nir(net))
    net = net.reset_state()  # exporting ran it
    _, _, recorded = net(samples.float(), record=True)
    names = [name for name in recorded if name.endswith("_output") and "LIF" in name]
    return {name.removesuffix("_output"): recorded[name].detach().numpy() for name in names}


def main() -> None:
    name, task = sys.argv[1], json.loads(sys.argv[2])
    torch.set_num_threads(1)
    place = Path(task["folder"])
    samples = torch.from_numpy(np.load(place / "samples.npy").astype(np.float64))
    job = getattr(importlib.import_module("__main__"), f"{name}_{task['job']}")
    np.savez(place / "values.npz", **job(task, samples))


main()
