"""Models and tensors of other numbers than 8-bit ones, and what to do about them."""

from __future__ import annotations

from edgespike.converters.tflite.model import TfliteModel, TfliteTensor

_INT8 = "convert it with full integer quantisation (int8 weights and activations)"
_FLOAT = f"{_INT8}, or convert the float model from ONNX or torch, which edgespike quantises itself"

_TENSORS = {
    "FLOAT32": f"is real: this part of the model is not quantised; {_INT8}",
    "FLOAT16": f"is real (16 bits); {_INT8}",
    "INT16": f"has 16 bits; {_INT8}",
    "UINT8": "is uint8, the quantisation of TensorFlow 1; convert the model again to int8",
    "INT4": "has 4 bits; convert the model with 8-bit weights",
    "INT2": "has 2 bits; convert the model with 8-bit weights",
    "STRING": "holds strings; a graph computes with numbers",
}


def not_of_kinds(tensor: TfliteTensor, kinds: tuple[str, ...]) -> str:
    """Return how a tensor's type differs from those that are expected, with the way out."""
    return _TENSORS.get(tensor.kind, f"is {tensor.kind}; {' or '.join(kinds)} is expected")


def fault_of_model(model: TfliteModel) -> str:
    """Return why a model as a whole is not one of 8-bit numbers; empty if it may be."""
    computed = {each.kind for each in model.tensors if each.content is None}
    if "INT8" in computed:
        return ""
    if computed & {"FLOAT32", "FLOAT16"}:
        if any(each.kind == "INT8" and len(each.scales) for each in model.tensors):
            return (
                "it has int8 weights and real activations (dynamic range quantisation); "
                "convert the model with full integer quantisation, which needs a representative "
                "data set"
            )
        return f"it is a model of real numbers; {_FLOAT}"
    if "INT16" in computed:
        return f"it has 16-bit activations (16x8 quantisation); {_INT8}"
    if "UINT8" in computed:
        return f"it {_TENSORS['UINT8']}"
    return ""
