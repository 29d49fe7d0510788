"""What the cpu target is compared with: other runtimes, prepared with batches of samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from edgespike.targets.cpu.native.engine import NativeEngine
from edgespike.targets.cpu.native.library import kernel_sets
from edgespike.targets.cpu.native.program import program_of
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
AVX2 = "edgespike, AVX2 alone"
LITERT = "LiteRT"
ONNX = "ONNX Runtime, integers"
ONNX_FLOAT = "ONNX Runtime, float32"
TORCH = "torch, float32"
SNNTORCH = "snnTorch"
COUNTED = "snnTorch with SpikingJelly's counter"
SPIKINGJELLY = "SpikingJelly, all steps at once"

METHODS = (ENGINE, LITERT, ONNX, ONNX_FLOAT, TORCH, SNNTORCH, COUNTED, SPIKINGJELLY)

Answers = list[NDArray[Any] | None]
"""The readout's integers of each batch from what computes exactly these, else ``None``."""

Method = Callable[[], Answers]
"""Runs all its batches, which are prepared."""

Run = Callable[[Any], NDArray[Any] | None]
"""Runs one batch."""


def methods(graph: Graph, batches: Sequence[NDArray[Any]]) -> dict[str, Method]:
    """Return edgespike, counting, and every rival that can run a graph, prepared for batches."""
    runner = CpuRunner(graph)
    checked = [as_samples(graph, batch) for batch in batches]
    found: dict[str, Method] = {
        ENGINE: _over(lambda batch: runner.tally(batch).accumulators, batches),
        ONNX: _onnx(graph, checked),
    }
    if not violations(graph):
        found[LITERT] = _litert(graph, checked)
    tensors = [torch.from_numpy(batch.astype(np.float32)) for batch in checked]
    return found | {name: _over(run, each) for name, (run, each) in _floats(graph, tensors).items()}


def with_avx2(graph: Graph, batches: Sequence[NDArray[Any]]) -> dict[str, Method]:
    """Return the native engine, counting, on its kernels for AVX2; nothing where it has none."""
    program = program_of(graph)
    if program is None or "avx2" not in kernel_sets():
        return {}
    engine = NativeEngine(graph, program, "avx2")
    checked = [as_samples(graph, batch) for batch in batches]
    return {AVX2: _over(lambda batch: next(engine.counted(batch)).accumulators, checked)}


def _over(run: Run, batches: Sequence[Any]) -> Method:
    return lambda: [run(batch) for batch in batches]


def _floats(graph: Graph, batches: list[torch.Tensor]) -> dict[str, tuple[Run, Sequence[Any]]]:
    """Return the runs of nets in float32, with their batches."""
    if graph.is_recurrent:
        return {TORCH: (_torch_rnn(graph), batches)}
    if any(op.max_spikes > 1 for _, op in graph.of_type(Membrane)):
        return {}
    if graph.steps > 1:
        steps_first = [batch.swapaxes(0, 1).contiguous() for batch in batches]
        return {name: (run, steps_first) for name, run in _spiking(graph).items()}
    return _single_step(graph, [batch[:, 0] for batch in batches])


def _litert(graph: Graph, batches: list[NDArray[Any]]) -> Method:
    """Run the model that is exported, all steps at once; only the interpreter's calls are timed."""
    plan = make_plan(graph)
    lowered = lower_unrolled(plan) if graph.is_recurrent else lower(plan)
    interpreter = make_interpreter(lowered.content, DEFAULT_KERNELS)
    resize(interpreter, len(batches[0]))
    (source,) = interpreter.get_input_details()
    answer = interpreter.get_output_details()[lowered.answer]["index"]
    value = lowered.outputs[lowered.answer]

    def run(batch: NDArray[Any]) -> NDArray[Any]:
        interpreter.set_tensor(source["index"], batch)
        interpreter.invoke()
        found: NDArray[Any] = interpreter.get_tensor(answer)
        return found - value.zero_point if value.zero_point else found

    encoded = [np.ascontiguousarray(encode_input(graph, lowered, batch)) for batch in batches]
    return _over(run, encoded)


def _onnx(graph: Graph, batches: list[NDArray[Any]]) -> Method:
    session = _session(lower_to_onnx(graph).model)
    encoded = [encode_for_onnx(graph, batch) for batch in batches]
    return _over(lambda batch: session.run([ACCUMULATORS], {ONNX_INPUT: batch})[0], encoded)


def _session(model: Any) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    content = model.SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _single_step(graph: Graph, batches: list[torch.Tensor]) -> dict[str, tuple[Run, Sequence[Any]]]:
    session, name = _session(float_net(graph)), graph.input.name
    scale = np.float32(graph.input_op.scale)
    real = [batch.numpy() * scale for batch in batches]
    found: dict[str, tuple[Run, Sequence[Any]]] = {
        ONNX_FLOAT: (_discarding(lambda batch: session.run(None, {name: batch})), real),
        TORCH: (_discarding(relu_net(graph)), batches),
    }
    if any(op.levels > 1 for _, op in graph.of_type(Threshold)):
        return found
    net = SnnTorchNet(graph)

    def forward(batch: torch.Tensor) -> None:
        utils.reset(net)
        net(batch)

    return {**found, SNNTORCH: (forward, batches), COUNTED: (_counted(forward), batches)}


def _spiking(graph: Graph) -> dict[str, Run]:
    forward = _discarding(snntorch_run(graph))
    return {
        SNNTORCH: forward,
        COUNTED: _counted(forward),
        SPIKINGJELLY: _spikingjelly(graph),
    }


def _spikingjelly(graph: Graph) -> Run:
    """Return SpikingJelly's run, with its answers if nothing leaks: these are whole numbers."""
    run = spikingjelly_run(graph)
    if any(np.any(op.decay) for _, op in graph.of_type(Membrane)):
        return _discarding(run)
    return lambda batch: run(batch).numpy()


def _torch_rnn(graph: Graph) -> Run:
    """Return a vanilla RNN of the same size: its time depends on nothing else."""
    outputs = [len(op.weight) for _, op in graph.of_type(Dense)]
    units = max(outputs)
    net = torch.nn.RNN(
        graph.tensors[graph.input.name].size, units, nonlinearity="relu", batch_first=True
    )
    readout = torch.nn.Linear(units, outputs[-1])
    return _discarding(lambda batch: readout(net(batch)[0][:, -1]))


def _discarding(run: Callable[[Any], object]) -> Run:
    def discard(batch: Any) -> None:
        run(batch)

    return discard


def _counted(run: Callable[[Any], object]) -> Run:
    def count(batch: Any) -> None:
        with DispatchCounterMode([SynOpCounter()]):
            run(batch)

    return count
