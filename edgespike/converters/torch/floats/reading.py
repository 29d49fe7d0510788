"""From the calls of a module to a net in real numbers."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edgespike.converters.floats import Shape, Unknown, UnreadableError, stored_shape
from edgespike.converters.torch.floats.building import Building
from edgespike.converters.torch.floats.calls import as_call, label, leaves, like
from edgespike.converters.torch.floats.exporting import Exported, exported
from edgespike.converters.torch.floats.operators import HANDLERS, supported
from edgespike.converters.torch.floats.patterns import instead_of
from edgespike.converters.torch.floats.values import BATCH, Answer, Call, Value
from edgespike.converters.torch.floats.wrappers import refusals, unwrapped
from edgespike.errors import UnsupportedError, shown
from edgespike.floats.net import FloatInput, FloatNet, FloatReadout

if TYPE_CHECKING:
    from torch import fx

WHAT = "model cannot be converted"


@dataclass(frozen=True, eq=False)
class Reading:
    """What a module computes.

    Parameters
    ----------
    net
        As a net in real numbers.
    left_out
        What the module does with the net's answers that keeps their order: "softmax", "argmax".
    """

    net: FloatNet
    left_out: tuple[str, ...] = ()


def read_module(module: Any, shape: tuple[int, ...]) -> Reading:
    """Return what a module computes in evaluation mode, as a net in real numbers.

    A module that is used several times becomes as many nodes. What depends on no sample is computed
    once, by torch: reparametrised weights, constants.

    Parameters
    ----------
    shape
        Of one sample, as the module takes it: ``(features,)``, ``(channels, length)``, which
        becomes ``(channels, 1, length)``, or ``(channels, height, width)``.

    Raises
    ------
    UnsupportedError
        Lists everything that cannot be read, by the module's path or the line that calls it.
    """
    refused = list(refusals(module))
    try:
        stored_shape(shape)
    except UnreadableError as error:
        refused.append(f"input_shape is {shape} and {error}")
    if refused:
        raise UnsupportedError(WHAT, refused)
    return Reader(exported(unwrapped(module), shape)).read(shape)


class Reader:
    """Turns calls into nodes, one by one."""

    def __init__(self, program: Exported) -> None:
        self._program = program
        self._net = Building()
        self._found: dict[fx.Node, Any] = {}

    def read(self, shape: Shape) -> Reading:
        """Return the net, and what stands behind it."""
        import torch

        with torch.no_grad():
            for node in self._program.nodes:
                self._found[node] = self._result(node, shape)
        answer = self._answer()
        if self._net.violations:
            raise UnsupportedError(WHAT, [*self._net.violations, supported()])
        self._finish(answer)
        if self._net.violations:
            raise UnsupportedError(WHAT, self._net.violations)
        net = FloatNet(tuple(self._net.nodes), assumed=tuple(self._net.assumed))
        return Reading(net, answer.left_out if isinstance(answer, Answer) else ())

    def _result(self, node: fx.Node, shape: Shape) -> Any:
        if node.op == "get_attr":
            return self._program.attribute(str(node.target))
        if node.op != "placeholder":
            return self._call(node)
        if node.name in self._program.tensors:
            return self._program.tensors[node.name]
        call = Call("input", shape=(BATCH, *shape), label="the input")
        return self._net.add(call, FloatInput(stored_shape(shape)))

    def _call(self, node: fx.Node) -> Any:
        from torch import fx

        args: Any = fx.node.map_arg(node.args, self._found.__getitem__)
        kwargs: Any = fx.node.map_arg(node.kwargs, self._found.__getitem__)
        held = list(leaves((args, kwargs)))
        if any(isinstance(each, Unknown) for each in held):
            return like(node)
        if node.target is operator.getitem and isinstance(args[0], tuple | list):
            return args[0][args[1]]
        if not any(isinstance(each, Value | Answer) for each in held):
            return self._constant(node, args, kwargs)
        call = as_call(node, args, kwargs)
        try:
            return self._handled(call)
        except UnreadableError as error:
            self._net.violations.append(f"{call.label} {error}")
            return like(node)

    def _handled(self, call: Call) -> Any:
        handler = HANDLERS.get(call.operator)
        if handler is None:
            raise UnreadableError(f"calls {call.operator}: {instead_of(call.operator)}")
        return handler(self._net, call)

    def _constant(self, node: fx.Node, args: Any, kwargs: Any) -> Any:
        """Compute what depends on no sample."""
        import torch

        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            self._net.violations.append(
                f"{label(node)} draws random numbers, and a graph always gives the same answers; "
                "give F.dropout training=self.training, and leave noise out"
            )
            return Unknown()
        assert callable(node.target)
        try:
            return node.target(*args, **kwargs)
        except (RuntimeError, MemoryError) as error:
            first = (str(error).strip() or "without a message").splitlines()[0]
            self._net.violations.append(f"{label(node)} cannot be computed: {shown(first)}")
            return Unknown()

    def _answer(self) -> Any:
        self._net.violations += [
            f"forward changes the buffer {name}, so that an answer would depend on the samples "
            "before; leave that out in evaluation mode"
            for name in self._program.changed
        ]
        given = [self._found.get(each, each) for each in self._program.answers]
        if len(given) != 1:
            self._net.violations.append(
                f"forward returns {len(given)} values; a graph has one answer, so return one "
                "tensor of logits"
            )
            return Unknown()
        return given[0]

    def _finish(self, answer: Any) -> None:
        """Make the answer flat, and append the readout."""
        if isinstance(answer, Answer):
            left_out = " and ".join(answer.left_out)
            self._net.assumed.append(
                f"{left_out} at the end is left out: the answers are what it receives, in which "
                "the classes have the same order"
            )
            answer = answer.value
        if not isinstance(answer, Value):
            self._net.violations.append("forward returns a constant; return logits of the sample")
            return
        classes = answer.stored[0]
        if answer.padding != (0, 0, 0, 0) or answer.stored[1:] not in ((), (1, 1)):
            self._net.violations.append(
                f"forward returns samples of shape {answer.shape}; a graph answers with one number "
                "for each class, (classes,), so pool or flatten before the last layer"
            )
            return
        call = Call("readout", shape=(BATCH, classes), label="the readout")
        flat = self._net.stored_as(call, answer, (classes,))
        self._net.add(call, FloatReadout(), flat)
