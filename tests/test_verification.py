"""Certificates: what is compared, what is counted, and which difference is the first."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgespike.batches import batch_size
from edgespike.counting import Convention, count
from edgespike.errors import EnvironmentMissingError, InputError, TargetRunError
from edgespike.graph import Graph
from edgespike.interpreter import interpret
from edgespike.targets.base import Target
from edgespike.trace import Trace, observed_names
from edgespike.verification import Difference, VerificationError, inputs_hash, verify
from tests.example_graphs import membrane_graph, residual_graph, samples_for
from tests.made_up import made_up

GRAPH = membrane_graph()
SAMPLES = samples_for(GRAPH, 6)
LAYERS = observed_names(GRAPH)

Place = tuple[int, int, int, int]
"""Step, layer's place in the order, sample, neuron: in the order of importance."""

EXACT = made_up("exact")


def altered(graph: Graph, places: Collection[Place]) -> Target:
    """A target that adds 1 at some places; it counts the samples that it has seen."""
    seen = 0

    def run(graph: Graph, samples: NDArray[Any]) -> Trace:
        nonlocal seen
        values = {name: array.copy() for name, array in interpret(graph, samples).values.items()}
        for step, layer, sample, neuron in places:
            if seen <= sample < seen + len(samples):
                values[LAYERS[layer]][sample - seen, step].flat[neuron] += 1
        seen += len(samples)
        return Trace(values)

    return made_up("altered", run)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Return a function that makes targets known to the verification and names them."""

    def register(*targets: Target) -> list[str]:
        known = {target.name: target for target in targets}
        monkeypatch.setattr("edgespike.targets.get_target", known.__getitem__)
        return list(known)

    return register


def in_batches_of(monkeypatch: pytest.MonkeyPatch, samples: int) -> None:
    one = GRAPH.steps * sum(tensor.size for tensor in GRAPH.tensors.values())
    monkeypatch.setattr("edgespike.batches.VALUES_AT_ONCE", samples * one)
    assert batch_size(GRAPH) == samples


@pytest.mark.parametrize("at_once", [1, 4])
def test_a_batch_is_compared_in_parts(
    use: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """One run of the target; the difference in the last sample comes first in time."""
    one = GRAPH.steps * sum(tensor.size for tensor in GRAPH.tensors.values())
    monkeypatch.setattr("edgespike.verification.COMPARED_AT_ONCE", at_once * one)
    sizes: list[int] = []

    def run(graph: Graph, samples: NDArray[Any]) -> Trace:
        sizes.append(len(samples))
        values = {name: array.copy() for name, array in interpret(graph, samples).values.items()}
        values[LAYERS[0]][0, 1].flat[0] += 1
        values[LAYERS[0]][5, 0].flat[2] += 1
        return Trace(values)

    certificate = verify(GRAPH, SAMPLES, use(made_up("late", run)))
    assert sizes == [6]
    first = certificate.targets["late"].first_difference
    assert first is not None
    assert (first.layer, first.sample, first.step, first.neuron) == (LAYERS[0], 5, 0, 2)


def test_an_equal_target_has_a_certificate_without_difference(
    use: Callable[..., list[str]],
) -> None:
    certificate = verify(GRAPH, SAMPLES, use(EXACT))
    counts = count(GRAPH, SAMPLES, interpret(GRAPH, SAMPLES))
    assert certificate.equal
    answer = certificate.to_json()
    assert answer["graph"] == GRAPH.hash
    assert answer["targets"] == {
        "exact": {
            "equal": True,
            "samples": 6,
            "steps": 4,
            "layers": 3,
            "synaptic_operations": counts.synaptic_operations(),
            "multiply_accumulates": counts.total.multiply_accumulates[Convention.QUANTISED].sum(),
            "runtime": "exact 1",
            "first_difference": None,
        }
    }


places = st.tuples(
    st.integers(0, GRAPH.steps - 1), st.integers(0, 2), st.integers(0, 5), st.integers(0, 1)
)


@given(altered_places=st.sets(places, min_size=1, max_size=6), size=st.integers(1, 6))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_first_difference_is_the_smallest_in_step_layer_sample_and_neuron(
    use: Callable[..., list[str]],
    monkeypatch: pytest.MonkeyPatch,
    altered_places: set[Place],
    size: int,
) -> None:
    in_batches_of(monkeypatch, size)
    certificate = verify(GRAPH, SAMPLES, use(altered(GRAPH, altered_places)))
    step, layer, sample, neuron = min(altered_places)
    right = int(interpret(GRAPH, SAMPLES).values[LAYERS[layer]][sample, step].flat[neuron])
    assert not certificate.equal
    assert certificate.targets["altered"].first_difference == Difference(
        LAYERS[layer], sample, step, neuron, expected=right, found=right + 1
    )


def test_neurons_are_numbered_in_row_major_order(use: Callable[..., list[str]]) -> None:
    graph, samples = residual_graph(), samples_for(residual_graph(), 2)

    def run(graph: Graph, samples: NDArray[Any]) -> Trace:
        values = dict(interpret(graph, samples).values)
        values["spike1"] = values["spike1"].copy()
        values["spike1"][1, 0, 3, 2, 5] ^= 1
        return Trace(values)

    certificate = verify(graph, samples, use(made_up("exact", run)))
    difference = certificate.targets["exact"].first_difference
    assert difference is not None
    assert (difference.layer, difference.sample, difference.step) == ("spike1", 1, 0)
    assert difference.neuron == 3 * 36 + 2 * 6 + 5


def test_operations_are_counted_from_what_the_target_ran(use: Callable[..., list[str]]) -> None:
    (wrong,) = altered(GRAPH, [(0, 0, 0, 0)]).runtimes
    trace = wrong.prepare(GRAPH).trace(SAMPLES)
    expected = count(GRAPH, SAMPLES, trace).synaptic_operations()
    results = verify(GRAPH, SAMPLES, use(EXACT, altered(GRAPH, [(0, 0, 0, 0)]))).targets
    assert results["altered"].synaptic_operations == expected
    assert results["exact"].synaptic_operations != expected
    assert [result.equal for result in results.values()] == [True, False]


@pytest.mark.parametrize("size", [1, 2, 4, 5])
def test_the_size_of_batches_changes_nothing(
    use: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    whole = verify(GRAPH, SAMPLES, use(EXACT))
    in_batches_of(monkeypatch, size)
    assert verify(GRAPH, SAMPLES, use(EXACT)) == whole


def test_all_problems_of_all_targets_are_listed(use: Callable[..., list[str]]) -> None:
    def missing() -> str:
        raise EnvironmentMissingError("its simulator is not installed; run setup")

    limited = made_up("limited", violations=lambda graph: ["dense1: too many", "lif1: too few"])
    names = use(limited, made_up("absent", version=missing))
    with pytest.raises(VerificationError) as caught:
        verify(GRAPH, SAMPLES, names)
    assert caught.value.violations == (
        "limited: dense1: too many",
        "limited: lif1: too few",
        "absent: its simulator is not installed; run setup",
    )


def test_an_unknown_target_is_named_with_the_known_ones() -> None:
    with pytest.raises(VerificationError, match=r"nonesuch.*there are: cpu, loihi, tflite"):
        verify(GRAPH, SAMPLES, ["nonesuch"])


def test_at_least_one_target_must_be_named() -> None:
    with pytest.raises(VerificationError, match="no target is named"):
        verify(GRAPH, SAMPLES, [])


@pytest.mark.parametrize("targets", ["cpu", None, 3, {"cpu"}, [["cpu"]], ["cpu", None]])
def test_targets_are_a_list_of_names(targets: Any) -> None:
    with pytest.raises(VerificationError, match=r"targets (is|contains) .*; give .*names, such as"):
        verify(GRAPH, SAMPLES, targets)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda values: values.pop("lif1"), "returned no values of layer lif1"),
        (lambda values: values.update(lif1=values["lif1"][:, :1]), r"of shape \(6, 1, 8\)"),
        (lambda values: values.update(lif1=values["lif1"] * 1.0), "returned float64"),
    ],
)
def test_a_target_must_give_every_layer_as_integers(
    use: Callable[..., list[str]], change: Callable[[dict[str, Any]], None], reason: str
) -> None:
    def run(graph: Graph, samples: NDArray[Any]) -> Trace:
        values = dict(interpret(graph, samples).values)
        change(values)
        return Trace(values)

    with pytest.raises(TargetRunError, match=reason):
        verify(GRAPH, SAMPLES, use(made_up("exact", run)))


def test_samples_are_checked_before_anything_runs() -> None:
    with pytest.raises(InputError, match=r"values 0\.\.2"):
        verify(GRAPH, SAMPLES + (SAMPLES == 1), ["cpu"])


def test_progress_names_target_and_samples(
    use: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches_of(monkeypatch, 4)
    told: list[tuple[str, int, int]] = []
    verify(GRAPH, SAMPLES, use(EXACT), progress=lambda *what: told.append(what))
    assert told == [("exact", done, 6) for done in (0, 4, 4, 6)]


def test_the_hash_of_inputs_depends_on_the_values_alone() -> None:
    narrow = inputs_hash(GRAPH, SAMPLES.astype(np.uint8))
    other = SAMPLES.copy()
    other[-1, -1, -1] ^= 1
    assert inputs_hash(GRAPH, SAMPLES) == narrow
    assert inputs_hash(GRAPH, other) != narrow
