"""Read a model as any TFLite user does, knowing only what the file declares; needs numpy.

python reader.py MODEL.tflite SAMPLES.npy OUT.npz

Samples are in real units, channels last. Where the interpreter has signatures, the model is also
read through its signature. States start at real zeros.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

MODULES = ("ai_edge_litert", "tflite_runtime")


def quantised(real: Any, detail: Any) -> Any:
    """Return what to store for real values."""
    scale, zero_point = detail["quantization"]
    if scale == 0:
        return real.astype(detail["dtype"])
    stored = np.round(real.astype(np.float32) / np.float32(scale)) + zero_point
    limits = np.iinfo(detail["dtype"])
    return np.clip(stored, limits.min, limits.max).astype(detail["dtype"])


def real(stored: Any, detail: Any) -> Any:
    """Return the real values of what is stored."""
    scale, zero_point = detail["quantization"]
    return stored if scale == 0 else (stored.astype(np.float64) - zero_point) * scale


def read_plainly(interpreter: Any, samples: Any) -> tuple[Any, Any]:
    """Return the first output's real values, and what is stored."""
    (source,) = interpreter.get_input_details()
    interpreter.resize_tensor_input(source["index"], samples.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(source["index"], quantised(samples, source))
    interpreter.invoke()
    logits = interpreter.get_output_details()[0]
    stored = interpreter.get_tensor(logits["index"])
    return real(stored, logits), stored


def read_by_name(interpreter: Any, samples: Any) -> Any:
    """Return the real values of the signature's logits, step by step if there are states."""
    run = interpreter.get_signature_runner()
    taken, given = run.get_input_details(), run.get_output_details()
    states = {
        name: np.zeros((len(samples), *detail["shape"][1:]))
        for name, detail in taken.items()
        if name != "input"
    }
    for step in np.swapaxes(samples, 0, 1) if states else samples[None]:
        values = {"input": step, **states}
        outputs = run(**{name: quantised(x, taken[name]) for name, x in values.items()})
        found = {name: real(stored, given[name]) for name, stored in outputs.items()}
        states = {name: found[name] for name in states}
    return found["logits"]


def main(model: str, samples: str, out: str) -> None:
    """Read a model in each way that it allows and write what each one found."""
    for name in MODULES:
        try:
            runtime = import_module(f"{name}.interpreter")
            break
        except ImportError:
            continue
    content, x = Path(model).read_bytes(), np.load(samples)
    found = {"by_name": read_by_name(runtime.Interpreter(model_content=content), x)}
    interpreter = runtime.Interpreter(model_content=content)
    if len(interpreter.get_input_details()) == 1:
        found["plainly"], found["stored"] = read_plainly(interpreter, x)
    np.savez(out, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
