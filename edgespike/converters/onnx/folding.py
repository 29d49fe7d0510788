"""Nodes whose values do not depend on the input, computed when the file is read."""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.onnx.loading import ELEMENT_LIMIT, array_of, shown_line
from edgespike.converters.onnx.shapes import Inferred, infer
from edgespike.converters.onnx.structure import domain_of, title_of
from edgespike.errors import shown

_NAMES = (
    "Abs Add Cast CastLike Ceil Clip Concat Constant ConstantOfShape Div Equal Exp Expand "
    "Flatten Floor Gather Greater Identity Less Log Max Min Mod Mul Neg Not Pad Pow Range "
    "Reciprocal ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum Reshape Shape Size Slice "
    "Split Sqrt Squeeze Sub Sum Tile Transpose Unsqueeze Where"
)
FOLDED = frozenset(_NAMES.split())
"""ONNX's operators that are computed; their work grows with what they take and give alone."""

WORK_LIMIT = 2**30
"""Most elements that all these nodes may take together; seconds of work."""

_SMALL = 1024
"""Up to this many elements, values tell inference the shape of what is computed from them."""

_ROUNDS = 10
"""How often inference may go on from the sizes that folding found."""


class Folding:
    """The constants of a model, and those that nodes compute of them.

    Parameters
    ----------
    model
        The ``ModelProto``, which is changed: nodes that are computed are taken out, and large
        constants keep their shapes alone.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.faults: list[str] = []
        self.constants: dict[str, NDArray[Any]] = {
            tensor.name: array_of(tensor) for tensor in model.graph.initializer
        }
        self._left = ELEMENT_LIMIT
        self._work_left = WORK_LIMIT
        self._refused: set[str] = set()
        self._forget_large()

    def _forget_large(self) -> None:
        """Keep of large constants their shapes alone, which is all that inference needs."""
        graph = self.model.graph
        kept = []
        for tensor in graph.initializer:
            if self.constants[tensor.name].size <= _SMALL:
                kept.append(type(tensor).FromString(tensor.SerializeToString()))
            else:
                self._declare(tensor.name, tensor.data_type)
        del graph.initializer[:]
        graph.initializer.extend(kept)

    def _declare(self, name: str, kind: int) -> None:
        """List a constant among the inputs, with its type and shape."""
        from onnx import helper

        inputs = self.model.graph.input
        if all(value.name != name for value in inputs):
            inputs.append(helper.make_tensor_value_info(name, kind, self.constants[name].shape))

    def fold(self) -> Inferred:
        """Compute all nodes that depend on constants and on known shapes alone."""
        for _ in range(_ROUNDS):
            inferred = infer(self.model)
            if not self._fold_once(inferred):
                break
        return inferred

    def _fold_once(self, inferred: Inferred) -> bool:
        from onnx import helper, numpy_helper

        kept, found = [], False
        for node in self.model.graph.node:
            values = None
            if node.output[0] not in self._refused and self._is_constant(node, inferred):
                values = self._computed(node, inferred)
            if values is None:
                kept.append(node)
                continue
            found = True
            self.constants.update(values)
            for name, value in values.items():
                if value.size > _SMALL:
                    self._declare(name, helper.np_dtype_to_tensor_dtype(value.dtype))
                else:
                    self.model.graph.initializer.append(numpy_helper.from_array(value, name))
        if found:
            nodes = [type(node).FromString(node.SerializeToString()) for node in kept]
            del self.model.graph.node[:]
            self.model.graph.node.extend(nodes)
        return found

    def _is_constant(self, node: Any, inferred: Inferred) -> bool:
        if domain_of(node) or node.op_type not in FOLDED:
            return False
        if node.op_type in ("Shape", "Size"):
            return node.input[0] in inferred.shapes
        return all(name in self.constants for name in node.input if name)

    def _computed(self, node: Any, inferred: Inferred) -> dict[str, NDArray[Any]] | None:
        """Return the values that a node gives, by name; ``None``, with a fault, if it cannot."""
        if node.op_type in ("Shape", "Size"):
            # Only the shape matters: a view of one element has it and takes no memory.
            shape = inferred.shapes[node.input[0]]
            inputs = {node.input[0]: np.broadcast_to(np.float32(0), shape)}
        else:
            inputs = {name: self.constants[name] for name in node.input if name}
        try:
            self._bound(node, inputs)
            return _evaluated(self._alone(node, inputs), inputs)
        # The evaluator's operators raise what numpy does, for inputs that they do not fit.
        except Exception as error:
            self._refused.add(node.output[0])
            self.faults.append(
                f"{title_of(node)}, a {node.op_type} of constants, cannot be computed "
                f"({shown_line(error)}); simplify the model, as with onnxsim"
            )
            return None

    def _bound(self, node: Any, inputs: dict[str, NDArray[Any]]) -> None:
        """Find how large the result is before it takes memory and time.

        Raises
        ------
        ValueError
            It is too large, or not known, or the nodes take too much.
        """
        import onnx
        from onnx import numpy_helper

        if node.op_type == "Shape":
            return
        if node.op_type == "Div":
            _check_division(*(inputs[name] for name in node.input))
        model = self._alone(node, inputs)
        for name, value in inputs.items():
            if value.size <= _SMALL:
                model.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
        found = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        for value in found.graph.output:
            dims = value.type.tensor_type.shape.dim
            if not value.type.tensor_type.HasField("shape") or not all(
                dim.HasField("dim_value") for dim in dims
            ):
                raise ValueError(f"the size of {shown(value.name)} is not known")
            self._left -= prod(dim.dim_value for dim in dims)
        if self._left < 0:
            raise ValueError(f"constants would have more than {ELEMENT_LIMIT} elements, the limit")
        self._work_left -= sum(value.size for value in inputs.values())
        if self._work_left < 0:
            raise ValueError(f"it and those before take more than {WORK_LIMIT} elements, the limit")

    def _alone(self, node: Any, inputs: dict[str, NDArray[Any]]) -> Any:
        """Return a model of one node."""
        from onnx import helper

        graph = helper.make_graph(
            [node],
            "constant",
            [
                helper.make_tensor_value_info(
                    name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
                )
                for name, value in inputs.items()
            ],
            [helper.make_empty_tensor_value_info(name) for name in node.output if name],
        )
        return helper.make_model(
            graph, opset_imports=self.model.opset_import, ir_version=self.model.ir_version
        )


def _check_division(above: NDArray[Any], below: NDArray[Any]) -> None:
    """Raise ``ValueError`` for whole numbers whose quotient runtimes round in two ways.

    ONNX Runtime rounds -7 / 2 to -3, ONNX's evaluator to -4; a division by 0 has no value.
    """
    if above.dtype.kind not in "iu":
        return
    if (below == 0).any():
        raise ValueError("it divides a whole number by 0")
    if (((above < 0) != (below < 0)) & (above % below != 0)).any():
        raise ValueError("runtimes round a quotient below 0 in two ways")


def _evaluated(model: Any, inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    from onnx.reference import ReferenceEvaluator

    with np.errstate(all="ignore"):
        results = ReferenceEvaluator(model).run(None, inputs)
    if any(np.asarray(result).dtype.kind in "OSU" for result in results):
        raise ValueError("it gives text; a net computes with numbers")
    names: Iterable[str] = (value.name for value in model.graph.output)
    return {name: np.asarray(result) for name, result in zip(names, results, strict=True)}
