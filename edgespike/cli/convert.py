"""``edgespike convert``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgespike.cli.conversion import found_as_json, print_found
from edgespike.cli.lists import names_in, numbers_in
from edgespike.cli.options import CHECK_FAILED, Force, Json, Limit
from edgespike.cli.output import print_json, say_if_slow
from edgespike.cli.source_check import Checked, checked, refuse_check_of_graphs
from edgespike.passes.coding import Coding

if TYPE_CHECKING:
    from edgespike.converters.base import ConvertOptions
    from edgespike.converters.result import Conversion
    from edgespike.graph import Graph

EXAMPLE = (
    "edgespike convert mynet.py:Net --weights net.pt --input-shape 1,28,28 --calibrate samples.npy "
    "-o graph.safetensors"
)


def command(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Trained checkpoint, graph file, a file for a converter, or a model in Python "
            "code: mynet.py:Net.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Graph file to write.")],
    coding: Annotated[
        Coding,
        typer.Option(
            help="How levels are encoded: each as one graded spike, or as that number of single "
            "spikes."
        ),
    ] = Coding.GRADED,
    check: Annotated[
        Path | None,
        typer.Option(
            metavar="X.npy",
            help="Run the source itself on these samples, and compare it with the graph.",
        ),
    ] = None,
    limit: Limit = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of the graph, part of its hash.")
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Parameters of a model in Python code: a state_dict, or a safetensors file.",
        ),
    ] = None,
    input_shape: Annotated[
        str | None,
        typer.Option(
            metavar="1,28,28", help="Shape of one sample, where the source does not state it."
        ),
    ] = None,
    input_range: Annotated[
        str | None,
        typer.Option(metavar="LOW,HIGH", help="Smallest and largest whole number of an input."),
    ] = None,
    input_scale: Annotated[
        float | None,
        typer.Option(metavar="X", help="Real value of one unit of the input."),
    ] = None,
    bits: Annotated[
        int | None,
        typer.Option(metavar="N", help="Bits of a weight, for sources of real numbers."),
    ] = None,
    levels: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Levels of an activation, 2 to 256, for sources of real numbers."
        ),
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            metavar="X.npy",
            help="Samples from which scales are derived: real numbers as the source takes them, "
            "or the graph's integers.",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="Y.npy", help="The class of each of these samples, for accuracies."),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(metavar="N", help="Steps of a sample, where the source does not state them."),
    ] = None,
    dt: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Time step, where the source is in continuous time."),
    ] = None,
    reset: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="What firing does, where the source does not state it: zero, subtract, none.",
        ),
    ] = None,
    producer: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Simulator that wrote a file that does not say so."),
    ] = None,
    readout: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="What answers, where the source does not state it: count, potential, max, sum.",
        ),
    ] = None,
    rounding: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Whose arithmetic a TFLite file has: tflm, xnnpack, builtin-x86.",
        ),
    ] = None,
    class_names: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,C",
            help="Name of each class, in order: separated by commas, or a text file, one a line.",
        ),
    ] = None,
    mean: Annotated[
        str | None,
        typer.Option(
            metavar="X[,X]",
            help="Mean with which the data was standardised in training, one or one for each "
            "feature or channel: the graph then takes measured numbers.",
        ),
    ] = None,
    std: Annotated[
        str | None,
        typer.Option(metavar="X[,X]", help="Standard deviation, likewise."),
    ] = None,
    save_inputs: Annotated[
        Path | None,
        typer.Option(
            metavar="X.npy",
            help="Also write the samples of --calibrate as the integers that the graph takes.",
        ),
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Convert a trained model to an integer graph.

    MODEL is a checkpoint that edgespike train wrote, a graph file, a file that a converter
    recognises by its first bytes, or a model in Python code: FILE.py:NAME, where NAME is a class
    or a function that needs no arguments, or an instance. The code is run; --weights gives the
    model its parameters, and is read without running code. Each converter says which options it
    takes; an option that is not used is refused.

    A source of real numbers is quantised: --calibrate gives some hundred samples, best of those
    that it was trained with. Printed is first what was found and assumed, then for each layer how
    many of its values differ from the source's, and how many by the layer's own fault alone, then
    how many answers differ; with --labels the accuracy before and after.

    With --coding unary, neurons of several levels become several neurons of single spikes: the
    readout stays the same, every target can run the graph, and the counts are those of single
    spikes.

    --class-names, --mean and --std are for any source, a graph file included. With mean and
    standard deviation the graph keeps how (x - mean) / std becomes its whole numbers, and is given
    measured numbers x from then on; the samples of --calibrate are still the source's own.

    With --check, the source itself runs on the samples. For a checkpoint, each layer of its float
    net receives what the graph gave, and its neurons are compared. The graph is exact; the float
    net may round a value that is near a tie. If any other neuron differs, or a part of another
    source was read wrongly, the exit code is 1 and no graph is written.
    """
    import edgespike
    from edgespike.converters import code, conversion
    from edgespike.errors import InputError
    from edgespike.storage.files import check_output

    if limit is not None and check is None:
        raise InputError("--limit says how many samples --check compares; give --check X.npy too")
    if save_inputs is not None and calibrate is None:
        raise InputError("--save-inputs writes the samples of --calibrate; give these too")
    read = [code.file_of(model), check, calibrate, labels, weights]
    check_output(out, [*read, save_inputs], force)
    check_output(save_inputs, [*read, out], force)
    options = _options(
        input_shape=numbers_in("--input-shape", input_shape, int),
        name=name,
        input_range=numbers_in("--input-range", input_range, int),
        input_scale=input_scale,
        bits=bits,
        levels=levels,
        calibrate=calibrate,
        labels=labels,
        steps=steps,
        dt=dt,
        reset=reset,
        producer=producer,
        readout=readout,
        rounding=rounding,
        weights=weights,
        class_names=names_in(class_names),
        mean=numbers_in("--mean", mean, float),
        std=numbers_in("--std", std, float),
    )
    if check is not None:
        refuse_check_of_graphs(model)
    with say_if_slow(f"converting {model}"):
        converted = conversion(model, options)
        graph = coding.apply(converted.graph)
    found = None
    if check is not None:
        with say_if_slow(f"running {model} itself on the samples of {check}"):
            found = checked(converted, options, check, limit)
    failed = found is not None and found.failed
    if not failed:
        edgespike.save(graph, out)
        if save_inputs is not None:
            _save_inputs(converted, options, save_inputs)
    file = None if failed else out
    if as_json:
        print_json(_as_json(converted, graph, found, file, save_inputs))
    else:
        _print(model, converted, graph, found, file, save_inputs)
    if failed:
        raise typer.Exit(CHECK_FAILED)


def _options(*, calibrate: Path | None, labels: Path | None, **said: Any) -> ConvertOptions:
    from edgespike.converters.base import ConvertOptions
    from edgespike.samples import read_array

    return ConvertOptions(
        calibrate=None if calibrate is None else read_array(calibrate),
        labels=None if labels is None else read_array(labels),
        **said,
    )


def _save_inputs(found: Conversion, options: ConvertOptions, path: Path) -> None:
    """Write the samples for calibration as the whole numbers that a graph takes."""
    import io

    import numpy as np

    from edgespike.quantise.inputs import as_integers
    from edgespike.storage.files import write_atomically

    graph, samples = found.graph, options.calibrate
    assert samples is not None
    source = None if found.quantised is None else found.quantised.source
    if source is not None and source.as_net is not None:
        samples = source.as_net(samples)
    whole = as_integers(samples, graph)
    if whole.ndim == len(graph.input_op.shape):  # a length is an image of one row
        whole = whole[:, :, None]
    op = graph.input_op
    kinds = [np.min_scalar_type(op.low), np.min_scalar_type(op.high)]
    content = io.BytesIO()
    np.save(content, whole.astype(np.result_type(*kinds)))
    write_atomically(path, content.getvalue())


def _as_json(
    converted: Conversion,
    graph: Graph,
    check: Checked | None,
    out: Path | None,
    inputs: Path | None,
) -> dict[str, Any]:
    answer: dict[str, Any] = {"graph": graph.hash, "file": None if out is None else str(out)}
    answer["found"] = found_as_json(converted)
    if inputs is not None and out is not None:
        answer["inputs"] = str(inputs)
    return answer if check is None else {**answer, "check": check.as_json()}


def _print(
    model: str,
    converted: Conversion,
    graph: Graph,
    check: Checked | None,
    out: Path | None,
    inputs: Path | None,
) -> None:
    print_found(model, converted)
    if check is not None:
        check.print()
    if inputs is not None and out is not None:
        print(f"{inputs}: the samples for calibration, as the graph takes them")
    written = "nothing written" if out is None else str(out)
    print(f"{written}: graph {graph.hash}, {len(graph.nodes)} nodes")
