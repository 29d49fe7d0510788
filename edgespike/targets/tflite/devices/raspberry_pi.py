"""The Raspberry Pi bundle: the model, a short runner, and samples to check both with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgespike.targets.shared.bundles import labels, own_data, write_reader
from edgespike.targets.shared.check_samples import CheckSamples
from edgespike.targets.tflite.devices import pi_runner
from edgespike.targets.tflite.devices.bundle import described, fill
from edgespike.targets.tflite.lower import Lowered
from edgespike.targets.tflite.planning.plan import Plan
from edgespike.targets.tflite.running.trust import TESTED

_OTHER_MODELS = {
    "model_int4.tflite": "the same with 4 bits a weight where they fit: smaller, and slower",
    "model_int2.tflite": "2 bits for ternary weights of dense layers; ai-edge-litert alone runs it",
    "model_unrolled.tflite": "the same for all steps of a sample at once",
}


def write_raspberry_pi(
    plan: Plan, lowered: Lowered, checks: CheckSamples, folder: Path, others: Sequence[str]
) -> None:
    """Write the bundle into a folder that holds its models.

    Parameters
    ----------
    plan, lowered, checks
        The graph, its model, and samples that check it.
    folder
        Where ``model.tflite`` is.
    others
        The names of further models beside it.
    """
    graph = plan.graph
    source, readout = graph.input_op, graph.readout_op
    network = {
        "name": graph.name,
        "sha256": graph.hash,
        "shape": source.shape,
        "steps": graph.steps,
        "low": source.low,
        "high": source.high,
        "input_scale": source.scale,
        "scale": readout.scale.tolist(),
        "output": lowered.answer,
        "states": [
            {"name": state.tensor.name, "output": state.output, "initial": state.initial}
            for state in lowered.states
        ],
        "members": readout.members,
        **labels(graph),
    }
    (folder / "network.json").write_text(json.dumps(network, indent=1))
    shutil.copyfile(pi_runner.__file__, folder / "run.py")
    write_reader(folder)
    np.save(folder / "sample_input.npy", checks.samples)
    np.save(folder / "expected_output.npy", checks.expected)
    readme = fill(
        "raspberry_pi",
        **described(plan),
        own_data=own_data(graph, "`network.json`"),
        samples=len(checks),
        coverage=checks.coverage,
        least=least_tflite_runtime(),
        tested=", ".join(TESTED),
        named="\n    print([names()[number] for number in numbers])" if graph.class_names else "",
        states=_states(lowered),
        others="".join(f"| {name} | {_OTHER_MODELS[name]} |\n" for name in others),
    )
    (folder / "README.md").write_text(readme)


def least_tflite_runtime() -> str:
    """Return the oldest version of tflite-runtime that computes every model."""
    return ".".join(map(str, pi_runner.LEAST_TFLITE_RUNTIME))


def _states(lowered: Lowered) -> str:
    """Explain how to run the model, if it computes one step."""
    if not lowered.states:
        return ""
    names = ", ".join(state.tensor.name for state in lowered.states)
    return (
        "\nThe model computes one step. Besides the sample it takes its states, and returns their\n"
        f"values after the step: {names}. `run.py` sets them to their initial\n"
        "values at the start of each sample and carries them from step to step.\n"
    )
