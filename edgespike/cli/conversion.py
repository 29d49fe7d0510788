"""What ``edgespike convert`` says of a conversion: what was found, what was lost, what differs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from edgespike.cli.output import print_sentence, print_table, say

if TYPE_CHECKING:
    from edgespike.converters.checking import SourceCheck
    from edgespike.converters.result import Conversion
    from edgespike.graph import Graph
    from edgespike.quantise.result import Quantised


def found_as_json(found: Conversion) -> dict[str, Any]:
    """Return what was found in a source, and what converting it changed."""
    graph = found.graph
    answer: dict[str, Any] = {
        "converter": found.converter,
        "layers": _layers(graph),
        "neurons": _neurons(graph),
        "steps": graph.steps,
        "input": {
            "shape": list(graph.input_op.shape),
            "range": [graph.input_op.low, graph.input_op.high],
            "scale": graph.input_op.scale,
        },
        "classes": graph.readout_op.classes,
        "class_names": list(graph.class_names),
        "scaling": None if graph.scaling is None else asdict(graph.scaling),
        "assumed": list(found.assumed),
        "warnings": list(found.warnings),
    }
    return answer if found.quantised is None else {**answer, **_lost(found.quantised)}


def _lost(quantised: Quantised) -> dict[str, Any]:
    worst = quantised.worst
    return {
        "exact": quantised.exact,
        "lost": [asdict(layer) for layer in quantised.layers],
        "worst": None if worst is None else worst.path,
        "flipped": quantised.flipped,
        "samples": quantised.samples,
        "accuracy_before": quantised.accuracy_before,
        "accuracy_after": quantised.accuracy_after,
    }


def print_found(source: str, found: Conversion) -> None:
    """Print what was found, what was assumed, and what quantising changed in each layer."""
    graph = found.graph
    op = graph.input_op
    print(f"{source}: {found.converter}, {found.kind}")
    print(
        f"  {_counted(_layers(graph), 'weighted layer')}, "
        f"{_counted(_neurons(graph), 'neuron')}, {_counted(graph.steps, 'step')}"
    )
    print_sentence(
        f"input {op.shape}, whole numbers {op.low}..{op.high} in units of {op.scale:g}; "
        f"{_counted(graph.readout_op.classes, 'class', 'classes')}",
        indent=2,
    )
    for sentence in (*_labels(graph), *found.assumed):
        print_sentence(sentence, indent=2)
    if found.quantised is not None:
        _print_lost(found.quantised)
    for warning in found.warnings:
        say(f"warning: {warning}")


def _labels(graph: Graph) -> Iterator[str]:
    """Yield the names of the classes, and how measured numbers become the graph's."""
    if graph.class_names:
        from edgespike.cli.confusion import some_names

        yield f"named {some_names(graph.class_names)}"
    if graph.scaling is not None:
        offset, step = (_spread(values) for values in (graph.scaling.offset, graph.scaling.step))
        yield f"measured numbers x enter as (x - offset) / step, offset {offset}, step {step}"


def _spread(values: tuple[float, ...]) -> str:
    """Return equal numbers once, else the smallest and the largest."""
    low, high = min(values), max(values)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _print_lost(quantised: Quantised) -> None:
    if quantised.layers:
        print_table(
            ["layer", "values ", "different ", "alone ", "saturated "],
            [
                (
                    layer.path,
                    layer.values,
                    _share(layer.different, layer.values),
                    _share(layer.different_alone, layer.values),
                    _share(layer.saturated, layer.values),
                )
                for layer in quantised.layers
            ],
        )
    if (worst := quantised.worst) is not None and worst.different_alone:
        print(f"{worst.path} loses most by itself")
    for sentence in _answers(quantised):
        print(sentence)


def _answers(quantised: Quantised) -> Iterator[str]:
    if quantised.exact:
        yield "the graph computes the source's net exactly"
    if quantised.samples:
        yield (
            f"{quantised.flipped:,} of {quantised.samples:,} answers differ from the source's "
            f"({_share(quantised.flipped, quantised.samples)})"
        )
    before, after = quantised.accuracy_before, quantised.accuracy_after
    if before is not None and after is not None:
        yield f"accuracy {before:.2%} before, {after:.2%} after"


def print_check(check: SourceCheck) -> None:
    """Print how a source, the net that was read from it, and the graph compare."""
    print_table(
        ["part of the source", "values ", "distance ", "spikes different "],
        [
            (
                part.path,
                part.values,
                f"{part.distance:.1e}{'!' if part.misread else ''}",
                "" if part.different is None else part.different,
            )
            for part in check.parts
        ],
    )
    print_sentence(
        f"{check.flipped:,} of {check.samples:,} answers differ between the source itself and the "
        f"graph ({_share(check.flipped, check.samples)})"
    )
    if check.failed:
        say(
            "the parts marked ! were read wrongly, or a graph that must be exact differs; please "
            "report this with the model"
        )


def check_as_json(check: SourceCheck) -> dict[str, Any]:
    """Return how a source and its graph compare."""
    return {**asdict(check), "failed": check.failed}


def _layers(graph: Graph) -> int:
    from edgespike.graph.ops import Weighted

    return sum(isinstance(node.op, Weighted) for node in graph.nodes)


def _neurons(graph: Graph) -> int:
    return sum(graph.tensors[node.name].size for node in graph.nodes[:-1] if node.op.has_neurons)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2%}" if whole else "0"


def _counted(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
