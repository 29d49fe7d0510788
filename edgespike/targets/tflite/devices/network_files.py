"""The network of a microcontroller bundle: a header for C and C++, and what runs the model."""

from __future__ import annotations

import math
from collections.abc import Iterator

from edgespike.targets.tflite.devices.arena import Arena
from edgespike.targets.tflite.devices.bundle import described, fill
from edgespike.targets.tflite.lower import Lowered
from edgespike.targets.tflite.planning.plan import Plan, channels_last
from edgespike.targets.tflite.planning.storage import Form

C_TYPES = {Form.INT8: "int8_t", Form.INT16: "int16_t", Form.FLOAT: "float"}


def input_type(lowered: Lowered) -> str:
    """Return the type in C of the numbers that a model takes."""
    return C_TYPES[lowered.input.form]


def output_type(lowered: Lowered) -> str:
    """Return the type in C of the numbers of an answer, which are whole."""
    return C_TYPES[lowered.outputs[lowered.answer].form]


def network_h(plan: Plan, lowered: Lowered, prefix: str, arena: Arena) -> str:
    """Declare the network: sizes, types, scales and zero points, and its functions."""
    op = plan.graph.input_op
    in_float = lowered.input.form is Form.FLOAT
    return fill(
        "network.h",
        **described(plan),
        prefix=prefix,
        shape=" x ".join(map(str, channels_last(op.shape))),
        input_size=math.prod(op.shape),
        steps=plan.graph.steps,
        input_scale=1.0 if in_float else op.scale,
        input_zero_point=0 if in_float else lowered.input.zero_point,
        output_size=plan.graph.readout_op.scale.size,
        input_type=input_type(lowered),
        output_type=output_type(lowered),
        model_size=len(lowered.content),
        arena_size=arena.size,
    )


def network_cc(plan: Plan, lowered: Lowered, prefix: str) -> str:
    """Define the functions that :func:`network_h` declares, in C++."""
    return fill(
        "network.cc",
        name=plan.graph.name,
        prefix=prefix,
        operator_count=len(lowered.operators),
        registrations=" &&\n         ".join(
            f"resolver.{resolver_method(name)}() == kTfLiteOk" for name in lowered.operators
        ),
        # A model with states computes one step.
        runs=f"{prefix}_STEPS" if lowered.states else 1,
        answer=lowered.answer,
        state_memory="\n".join(_state_memory(lowered)),
        state_count=len(lowered.states),
        state_rows=_state_rows(lowered),
    )


def resolver_method(operator: str) -> str:
    """Name the method of ``MicroMutableOpResolver`` that registers an operator."""
    return f"Add{operator.title().replace('_', '')}"


def _state_memory(lowered: Lowered) -> Iterator[str]:
    """Declare in C++, for each state, memory and its initial value."""
    for index, state in enumerate(lowered.states):
        tensor = state.tensor
        size = math.prod(tensor.shape) * tensor.storage.form.dtype.itemsize
        yield f"// {tensor.name}"
        yield f"uint8_t kept{index}[{size}];"
        yield f"constexpr {C_TYPES[tensor.storage.form]} initial{index} = {state.initial};"


def _state_rows(lowered: Lowered) -> str:
    """Write the table of states as a C++ initialiser."""
    rows = (
        f"{{{state.output}, kept{index}, sizeof(kept{index}), &initial{index}, "
        f"sizeof(initial{index})}}"
        for index, state in enumerate(lowered.states)
    )
    return f"{{{', '.join(rows)}}}" if lowered.states else ""
