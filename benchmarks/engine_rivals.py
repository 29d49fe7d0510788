"""What the cpu target is compared with: other runtimes, prepared with a batch of samples."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx_float_net import float_net
from snntorch import utils
from snntorch_net import SnnTorchNet, relu_net
from spiking_steps import snntorch_run, spikingjelly_run
from spikingjelly.activation_based.op_counter import DispatchCounterMode, SynOpCounter

from edgespike.graph import Dense, Graph, Membrane, Threshold
from edgespike.graph.inputs import as_samples
from edgespike.targets.cpu import CpuRunner
from edgespike.targets.onnx.lower import ACCUMULATORS
from edgespike.targets.onnx.lower import INPUT as ONNX_INPUT
from edgespike.targets.onnx.lower import lower as lower_to_onnx
from edgespike.targets.onnx.run import encode_input as encode_for_onnx
from edgespike.targets.tflite.check import violations
from edgespike.targets.tflite.lower import lower, lower_unrolled
from edgespike.targets.tflite.planning.planner import make_plan
from edgespike.targets.tflite.run import encode_input
from edgespike.targets.tflite.running.execute import DEFAULT_KERNELS, make_interpreter, resize

ENGINE = "edgespike"
LITERT = "LiteRT"
ONNX = "ONNX Runtime, integers"
ONNX_FLOAT = "ONNX Runtime, float32"
TORCH = "torch, float32"
SNNTORCH = "snnTorch"
COUNTED = "snnTorch with SpikingJelly's counter"
SPIKINGJELLY = "SpikingJelly, all steps at once"

METHODS = (ENGINE, LITERT, ONNX, ONNX_FLOAT, TORCH, SNNTORCH, COUNTED, SPIKINGJELLY)

Method = Callable[[], NDArray[Any] | None]
"""Runs its batch; returns the readout's integers if it computes exactly these."""


def methods(graph: Graph, samples: NDArray[Any]) -> dict[str, Method]:
    """Return edgespike, counting, and every rival that can run a graph, prepared for samples."""
    runner = CpuRunner(graph)
    checked = as_samples(graph, samples)
    floats = torch.from_numpy(checked.astype(np.float32))
    found: dict[str, Method] = {
        ENGINE: lambda: runner.tally(samples).accumulators,
        ONNX: _onnx(graph, checked),
    }
    if not violations(graph):
        found[LITERT] = _litert(graph, checked)
    if graph.is_recurrent:
        return {**found, TORCH: _torch_rnn(graph, floats)}
    if any(op.max_spikes > 1 for _, op in graph.of_type(Membrane)):
        return found
    if graph.steps > 1:
        return {**found, **_spiking(graph, floats.swapaxes(0, 1).contiguous())}
    return {**found, **_single_step(graph, floats[:, 0])}


def _litert(graph: Graph, samples: NDArray[Any]) -> Method:
    """Run the model that is exported, all steps at once; only the interpreter's calls are timed."""
    plan = make_plan(graph)
    lowered = lower_unrolled(plan) if graph.is_recurrent else lower(plan)
    interpreter = make_interpreter(lowered.content, DEFAULT_KERNELS)
    resize(interpreter, len(samples))
    batch = np.ascontiguousarray(encode_input(graph, lowered, samples))
    (source,) = interpreter.get_input_details()
    answer = interpreter.get_output_details()[lowered.answer]["index"]
    value = lowered.outputs[lowered.answer]

    def run() -> NDArray[Any]:
        interpreter.set_tensor(source["index"], batch)
        interpreter.invoke()
        found: NDArray[Any] = interpreter.get_tensor(answer)
        return found - value.zero_point if value.zero_point else found

    return run


def _onnx(graph: Graph, samples: NDArray[Any]) -> Method:
    session = _session(lower_to_onnx(graph).model)
    batch = encode_for_onnx(graph, samples)
    return lambda: session.run([ACCUMULATORS], {ONNX_INPUT: batch})[0]


def _session(model: Any) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    content = model.SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _single_step(graph: Graph, batch: torch.Tensor) -> dict[str, Method]:
    session = _session(float_net(graph))
    real = batch.numpy() * np.float32(graph.input_op.scale)
    found: dict[str, Method] = {
        ONNX_FLOAT: partial(_discard, partial(session.run, None, {graph.input.name: real})),
        TORCH: partial(_discard, partial(relu_net(graph), batch)),
    }
    if any(op.levels > 1 for _, op in graph.of_type(Threshold)):
        return found
    net = SnnTorchNet(graph)

    def forward() -> None:
        utils.reset(net)
        net(batch)

    return {**found, SNNTORCH: forward, COUNTED: partial(_counted, forward)}


def _spiking(graph: Graph, batch: torch.Tensor) -> dict[str, Method]:
    forward = partial(_discard, partial(snntorch_run(graph), batch))
    return {
        SNNTORCH: forward,
        COUNTED: partial(_counted, forward),
        SPIKINGJELLY: partial(_discard, partial(spikingjelly_run(graph), batch)),
    }


def _torch_rnn(graph: Graph, batch: torch.Tensor) -> Method:
    """Return a vanilla RNN of the same size: its time depends on nothing else."""
    outputs = [len(op.weight) for _, op in graph.of_type(Dense)]
    units = max(outputs)
    net = torch.nn.RNN(batch.shape[-1], units, nonlinearity="relu", batch_first=True)
    readout = torch.nn.Linear(units, outputs[-1])
    return partial(_discard, lambda: readout(net(batch)[0][:, -1]))


def _discard(run: Callable[[], object]) -> None:
    run()


def _counted(run: Callable[[], object]) -> None:
    with DispatchCounterMode([SynOpCounter()]):
        run()
