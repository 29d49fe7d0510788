# mypy: disable-error-code="import-not-found"
"""Run this folder's model with numpy and onnxruntime.

python run.py               checks this installation with the samples in the folder
python run.py SAMPLES.npy   prints the class of each sample; for an ensemble also how sure it is

SAMPLES may also be a table (.csv) or an image, see README.md.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

try:
    import numpy as np
except ImportError:
    sys.exit("numpy is not installed; see README.md")

HERE = Path(__file__).parent
BATCH = 64
TYPES = {"uint8": np.uint8, "int8": np.int8, "int32": np.int32, "int64": np.int64}


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


def load_session() -> Any:
    """Load the model."""
    try:
        import onnxruntime
    except ImportError:
        sys.exit("onnxruntime is not installed; see README.md")
    try:
        return onnxruntime.InferenceSession(
            str(HERE / "model.onnx"), providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        sys.exit(f"onnxruntime {onnxruntime.__version__} cannot load model.onnx: {error}")


def encode_samples(samples: Any, source: Any, about: dict[str, str]) -> Any:
    """Check whole numbers and convert them to the type that the model takes."""
    low, high = int(about["edgespike.input_low"]), int(about["edgespike.input_high"])
    steps, shape = int(about["edgespike.steps"]), tuple(source.shape[1:])
    if not np.issubdtype(samples.dtype, np.integer):
        sys.exit(f"samples have dtype {samples.dtype}; give whole numbers {low}..{high}")
    if steps > 1 and samples.shape == shape:
        sys.exit(
            f"samples have shape {samples.shape}: one sample of {steps} steps, or {steps} constant "
            f"samples? give (1, {str(shape)[1:]} or (samples, {str(shape)[1:]}"
        )
    if steps > 1 and samples.shape[1:] == shape[1:]:
        samples = np.repeat(samples[:, None], steps, axis=1)
    if samples.shape[1:] != shape or not len(samples):
        sys.exit(f"samples have shape {samples.shape}; give (samples, {str(shape)[1:]}")
    if samples.min() < low or samples.max() > high:
        sys.exit(f"samples have values {samples.min()}..{samples.max()}; give {low}..{high}")
    return samples.astype(TYPES[source.type[7:-1]])


def describe_input(source: Any, about: dict[str, str]) -> dict[str, Any]:
    """Return what the model takes, as ``samples_and_answers.py`` reads it."""
    steps, shape = int(about["edgespike.steps"]), tuple(source.shape[1:])
    return {
        "shape": shape[1:] if steps > 1 else shape,
        "steps": steps,
        "low": int(about["edgespike.input_low"]),
        "high": int(about["edgespike.input_high"]),
        "scaling": json.loads(about.get("edgespike.scaling", "null")),
    }


def main(arguments: list[str]) -> int:
    """Check the installation, or classify samples."""
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        sys.exit(__doc__)
    samples_here = () if arguments else ("sample_input.npy", "expected_output.npy")
    check_files(Path(__file__).name, "samples_and_answers.py", "model.onnx", *samples_here)
    from samples_and_answers import read_samples, show

    session = load_session()
    about = session.get_modelmeta().custom_metadata_map
    source = session.get_inputs()[0]
    path = Path(arguments[0]) if arguments else HERE / "sample_input.npy"
    samples = read_samples(path, describe_input(source, about))
    encoded = encode_samples(samples, source, about)
    output = "logits" if arguments else "accumulators"
    batches = (encoded[start : start + BATCH] for start in range(0, len(encoded), BATCH))
    found = np.concatenate([session.run([output], {"input": batch})[0] for batch in batches])
    if arguments:
        names = json.loads(about.get("edgespike.class_names", "[]"))
        show(found, int(about["edgespike.members"]), names)
        return 0
    wrong = int((found != np.load(HERE / "expected_output.npy")).any(axis=1).sum())
    print(f"{len(samples) - wrong} of {len(samples)} samples are exactly as expected")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
