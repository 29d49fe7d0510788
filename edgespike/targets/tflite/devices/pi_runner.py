# mypy: disable-error-code="import-not-found"
"""Run this folder's model with numpy and either ai-edge-litert or tflite-runtime.

python run.py               checks this installation with the samples in the folder
python run.py SAMPLES.npy   prints the class of each sample; for an ensemble also how sure it is
python run.py --latency     prints how long one sample takes: median and rare cases

SAMPLES may also be a table (.csv) or an image, see README.md. Programs can import classify.
"""

from __future__ import annotations

import hashlib
import json
import sys
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

try:
    import numpy as np
except ImportError:
    sys.exit("numpy is not installed; see README.md")

HERE = Path(__file__).parent
BATCH = 16
RUNS, SECONDS = 1000, 10.0
"""How often, and how long, one sample is run to measure its latency."""

LEAST_TFLITE_RUNTIME = (2, 12)
"""Older versions crash on neurons with a potential (XNNPACK) or lack operators."""


def check_files(*names: str) -> None:
    """Stop if a file is not as it was exported."""
    try:
        lines = (HERE / "SHA256SUMS").read_bytes().splitlines()
        for name in names:
            digest = hashlib.sha256((HERE / name).read_bytes()).hexdigest()
            if f"{digest}  {name}".encode() not in lines:
                sys.exit(f"{name} and SHA256SUMS differ: one was damaged; copy the folder again")
    except OSError as error:
        sys.exit(f"{error.filename} cannot be read: {error.strerror}; copy the folder again")


def load_interpreter() -> Any:
    """Load the model into the runtime that is installed."""
    for runtime in ("ai_edge_litert", "tflite_runtime"):
        try:
            interpreter = import_module(f"{runtime}.interpreter")
        except ImportError:
            continue
        if runtime == "tflite_runtime":
            check_version(import_module(runtime).__version__)
        return interpreter.Interpreter(model_path=str(HERE / "model.tflite"))
    sys.exit("neither ai-edge-litert nor tflite-runtime is installed; see README.md")


def check_version(version: str) -> None:
    """Exit if this version of tflite-runtime cannot run the model."""
    if tuple(map(int, version.split(".")[:2])) < LEAST_TFLITE_RUNTIME:
        least = ".".join(map(str, LEAST_TFLITE_RUNTIME))
        sys.exit(
            f"tflite-runtime is {version}, which may crash; install {least} or later, "
            "or ai-edge-litert"
        )


def encode_samples(samples: Any, network: Any, detail: Any) -> Any:
    """Convert whole numbers, channels first, to what the model takes, channels last."""
    low, high = network["low"], network["high"]
    shape, steps = tuple(network["shape"]), network["steps"]
    stepped = steps > 1 or len(network["states"]) > 0
    if not np.issubdtype(samples.dtype, np.integer):
        sys.exit(f"samples have dtype {samples.dtype}; give whole numbers {low}..{high}")
    if steps > 1 and samples.shape == (steps, *shape):
        sys.exit(
            f"samples have shape {samples.shape}: one sample of {steps} steps, or {steps} constant "
            f"samples? give (1, {str(samples.shape)[1:]} or (samples, {str((steps, *shape))[1:]}"
        )
    if samples.shape[1:] == shape and stepped:
        samples = np.repeat(samples[:, None], steps, axis=1)
    if samples.shape[1:] != ((steps, *shape) if stepped else shape) or not len(samples):
        sys.exit(f"samples have shape {samples.shape}; give (samples, {str(shape)[1:]}")
    if samples.min() < low or samples.max() > high:
        sys.exit(f"samples have values {samples.min()}..{samples.max()}; give {low}..{high}")
    if len(shape) == 3:
        samples = np.moveaxis(samples, -3, -1)
    if detail["dtype"] == np.float32:
        return (samples * network["input_scale"]).astype(np.float32)
    zero_point = detail["quantization"][1]
    return (samples.astype(np.int64) + zero_point).astype(detail["dtype"])


def run(interpreter: Any, batch: Any, network: Any) -> Any:
    """Return the accumulators of a batch: whole numbers, one for each class.

    A model with states computes one step: the states that it returns enter it at the next step.
    """
    states = network["states"]
    details = interpreter.get_input_details()
    for detail in details:
        interpreter.resize_tensor_input(detail["index"], (len(batch), *detail["shape"][1:]))
    interpreter.allocate_tensors()
    source, *carried = interpreter.get_input_details()
    outputs = [detail["index"] for detail in interpreter.get_output_details()]
    kept = [
        np.full(detail["shape"], states[i]["initial"], detail["dtype"])
        for i, detail in enumerate(carried)
    ]
    for step in np.swapaxes(batch, 0, 1) if states else batch[None]:
        interpreter.set_tensor(source["index"], np.ascontiguousarray(step))
        for i, detail in enumerate(carried):
            interpreter.set_tensor(detail["index"], kept[i])
        interpreter.invoke()
        kept = [interpreter.get_tensor(outputs[state["output"]]) for state in states]
    return interpreter.get_tensor(outputs[network["output"]]).astype(np.int64)


@lru_cache(maxsize=1)
def opened() -> tuple[dict[str, Any], Any]:
    """Check the files; return what network.json says, and the model, ready to run."""
    code = Path(__file__).name, "samples_and_answers.py"
    check_files(*code, "network.json", "model.tflite")
    stated = json.loads((HERE / "network.json").read_text())
    return {"scaling": None, "class_names": (), **stated}, load_interpreter()


def answers(samples: Any) -> Any:
    """Return the accumulators of whole numbers, however many samples there are."""
    network, interpreter = opened()
    encoded = encode_samples(samples, network, interpreter.get_input_details()[0])
    batches = (encoded[start : start + BATCH] for start in range(0, len(encoded), BATCH))
    return np.concatenate([run(interpreter, batch, network) for batch in batches])


def classify(samples: Any) -> Any:
    """Return the class of each sample, for other programs.

    Parameters
    ----------
    samples
        ``(samples, *shape)`` or ``(samples, steps, *shape)``, channels first, as in a ``.npy``
        file: the network's own whole numbers, or measured ones if it has a scaling.

    Returns
    -------
    classes
        Their numbers, ``(samples,)``; `names` are what they are called.

    Raises
    ------
    ValueError
        The samples do not fit the network.
    """
    network, _ = opened()
    from samples_and_answers import as_whole, classes

    try:
        accumulators = answers(as_whole(np.asarray(samples), network))
    except SystemExit as stopped:
        raise ValueError(stopped.code) from None
    return classes(accumulators * network["scale"], network["members"])


def names() -> tuple[str, ...]:
    """Return the name of each class; nothing if they have none."""
    return tuple(opened()[0]["class_names"])


def show_latency() -> None:
    """Run the first sample again and again, and print percentiles of the time that it takes."""
    check_files("sample_input.npy")
    network, interpreter = opened()
    one = np.load(HERE / "sample_input.npy")[:1]
    encoded = encode_samples(one, network, interpreter.get_input_details()[0])
    times: list[float] = []
    run(interpreter, encoded, network)  # the first run prepares what the others use
    end = perf_counter() + SECONDS
    while len(times) < RUNS and (not times or perf_counter() < end):
        start = perf_counter()
        run(interpreter, encoded, network)
        times.append(1000 * (perf_counter() - start))
    shown = (f"p{rank} {np.percentile(times, rank):.3f} ms" for rank in (50, 95, 99))
    print(f"one sample: {', '.join(shown)}; {len(times)} runs")


def main(arguments: list[str]) -> int:
    """Check the installation, classify samples, or measure how long that takes."""
    if arguments == ["--latency"]:
        show_latency()
        return 0
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        sys.exit(__doc__)
    if not arguments:
        check_files("sample_input.npy", "expected_output.npy")
    network, _ = opened()
    from samples_and_answers import read_samples, show

    path = Path(arguments[0]) if arguments else HERE / "sample_input.npy"
    samples = read_samples(path, network)
    accumulators = answers(samples)
    if arguments:
        show(accumulators * network["scale"], network["members"], network["class_names"])
        return 0
    wrong = int((accumulators != np.load(HERE / "expected_output.npy")).any(axis=1).sum())
    print(f"{len(samples) - wrong} of {len(samples)} samples are exactly as expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
