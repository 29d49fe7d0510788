"""Running a torch module on a probe, and recording which layers and functions it calls.

``torch.fx`` would trace with stand-ins, which cannot say how long a loop over ``x.size(0)`` is;
``torch.export`` would take the neurons apart. Here the module runs as it is, on zeros, so shapes
are numbers and loops end by themselves. What it does with the values of tensors is seen too: a
``forward`` that decides by them is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from edgespike.converters.spiking.constants import differing, numbers_of
from edgespike.converters.spiking.simulator import RefusedError, Simulator
from edgespike.converters.spiking.values import IDENTITIES, SPIKES, Call, Value, leaves
from edgespike.evaluation_mode import untouched

if TYPE_CHECKING:
    from torch import Tensor

_LOOKS = frozenset(
    {"shape", "size", "dim", "ndim", "ndimension", "numel", "nelement", "__len__", "stride"}
    | {"dtype", "device", "layout", "type", "itemsize", "element_size", "nbytes", "get_device"}
    | {"is_cuda", "is_contiguous", "is_floating_point", "is_complex", "is_sparse", "is_quantized"}
    | {"is_meta", "is_mps", "is_leaf", "is_inference", "requires_grad", "grad", "grad_fn", "names"}
    | {"_version", "data_ptr", "untyped_storage", "storage_offset", "__hash__", "__eq__", "__ne__"}
    | {"__repr__", "__format__", "__str__"}
)
"""Functions that look at a tensor, but not at its values, or only to print them."""

_WRITES = ("__setitem__", "__set__")
"""Functions that return nothing and change their first argument."""


class Recorder:
    """What a module computed, in order.

    Parameters
    ----------
    simulator
        Whose neurons the module contains.

    Attributes
    ----------
    calls
        All calls so far.
    inside
        Path of the layer that is running; empty outside all layers.
    """

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.calls: list[Call] = []
        self.inside = ""
        self._values: dict[int, Value] = {}
        self._all: list[Value] = []  # their tensors stay alive, so no identity is used twice
        self._depth = 0
        self._before: list[dict[str, Value]] = []
        self._parameters: dict[str, dict[str, Any]] = {}
        self._shared: set[int] = set()  # storages of tensors whose data was taken

    def input(self, tensor: Tensor, call: int) -> None:
        """Say that a tensor is the input of the probe's next call."""
        self._add(tensor, input_of=call)

    def value(self, tensor: Tensor) -> Value:
        """Return the value of a tensor.

        Raises
        ------
        RefusedError
            The tensor was changed in place through another one.
        """
        found = self._values.get(id(tensor))
        if found is None:
            return self._add(tensor)
        if found.version != _version(tensor):
            raise RefusedError("changes a tensor in place that it has used; write x = x + y")
        return found

    @contextmanager
    def recording(self, model: Any) -> Iterator[None]:
        """Record what a model calls within the block; it is left as it was."""
        import torch

        with ExitStack() as stack:
            stack.enter_context(untouched(model))
            for path, module in model.named_modules():
                if self.is_leaf(module):
                    for handle in self._hooks(path or "model", module):
                        stack.callback(handle.remove)
            stack.enter_context(torch.no_grad())
            stack.enter_context(_mode(self))
            yield

    def is_leaf(self, module: Any) -> bool:
        """Return whether a module's call is recorded as a whole."""
        from torch import nn

        if self.simulator.is_neuron(module) or self.simulator.is_layer(module):
            return True
        containers = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
        ours = type(module).__module__.startswith("torch.nn.")
        return ours and not isinstance(module, containers)

    def function(self, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call a torch function, and record that if it lies outside all layers."""
        if self._depth:
            return func(*args, **kwargs)
        name = _name(func)
        given = self.as_values((tuple(args), dict(kwargs)))  # before anything changes in place
        if _in_place(name) and isinstance(given[0][0], Value) and given[0][0].is_constant:
            given[0][0].tensor = given[0][0].tensor.clone()
        result = func(*args, **kwargs)
        if name == "data":  # changes of it do not count as changes of the tensor
            self._shared.add(result.untyped_storage().data_ptr())
        elif self._shared and _in_place(name):
            self._refuse_shared(args[0])
        made = name.endswith("_like") or name.startswith("new_")
        if not made and any(not value.is_constant for value in leaves(given)):
            self._function(name, given, args, result)
        return result

    def _refuse_shared(self, changed: Any) -> None:
        """Refuse to change a tensor that shares its numbers with one whose ``data`` was taken."""
        import torch

        if not isinstance(changed, torch.Tensor) or not changed.numel():
            return
        if changed.untyped_storage().data_ptr() in self._shared:
            raise RefusedError("changes a tensor in place through its data; write x = x + y")

    def _function(self, name: str, given: Any, args: Any, result: Any) -> None:
        results = list(_tensors(result))
        if not results and name not in _WRITES:
            if name not in _LOOKS:
                raise RefusedError(
                    f"decides by values of its tensors, with {name}; what is computed may not "
                    "depend on them"
                )
            return
        if "out" in given[1]:
            raise RefusedError(f"gives {name} an argument out; leave it out")
        if name in IDENTITIES and not all(map(_holds_all, results)):
            name = f"{name} a narrower type"
        call = Call("", name, None, *given)
        self._called(call)
        in_place = _in_place(name)
        for place, tensor in enumerate([args[0]] if in_place else results):
            if in_place or id(tensor) not in self._values:  # else the same tensor came back
                self._add(tensor, call, str(place))

    def _hooks(self, path: str, module: Any) -> Iterator[Any]:
        yield module.register_forward_pre_hook(
            lambda m, args, kwargs: self._entered(path, m, args, kwargs),
            with_kwargs=True,
        )
        yield module.register_forward_hook(
            lambda m, args, kwargs, result: self._left(path, m, args, kwargs, result),
            with_kwargs=True,
        )

    def _entered(self, path: str, module: Any, args: Any, kwargs: Any) -> None:
        self._depth += 1
        if self._depth > 1:
            return
        self.inside = path
        names = self._state_names(module)
        held = numbers_of(module, names)
        changed = differing(self._parameters.setdefault(path, held), held)
        if changed:
            raise RefusedError(
                f"changes {', '.join(changed)} of {path} between its calls; a graph computes with "
                "the same numbers at every step"
            )
        if names:
            given = {**dict(zip(names, args[1:], strict=False)), **kwargs}
            self._before.append(
                {name: self._state(module, name, given.get(name)) for name in names}
            )

    def _state_names(self, module: Any) -> tuple[str, ...]:
        """Return the names of a neuron layer's states; none for any other layer."""
        return self.simulator.state_names(module) if self.simulator.is_neuron(module) else ()

    def _state(self, module: Any, name: str, given: Tensor | None) -> Value:
        import torch

        state = getattr(module, name) if given is None else given
        return self.value(state if isinstance(state, torch.Tensor) else torch.tensor(state))

    def _left(self, path: str, module: Any, args: Any, kwargs: Any, result: Any) -> None:
        if self._depth > 1:
            self._depth -= 1
            return
        # Until the end nothing is recorded: what is looked up here is no part of the model
        call = Call(path, type(module).__qualname__, module, *self.as_values((args, kwargs)))
        self._called(call)
        if names := self._state_names(module):
            call.before = self._before.pop()
            spikes = result[0] if isinstance(result, tuple) else result
            made = {SPIKES: self._add(spikes, call, SPIKES)}
            for name in names:
                state = getattr(module, name)
                made[name] = made[SPIKES] if state is spikes else self._add(state, call, name)
            call.after = made
        else:
            for place, tensor in enumerate(_tensors(result)):
                if id(tensor) not in self._values:  # else an identity
                    self._add(tensor, call, str(place))
                else:
                    self._again(tensor, call)
        self._depth, self.inside = 0, ""

    def _called(self, call: Call) -> None:
        call.place = len(self.calls)
        self.calls.append(call)

    def _again(self, tensor: Tensor, call: Call) -> None:
        """Check that a layer that returned its own argument does nothing."""
        if not any(value is self._values[id(tensor)] for value in leaves(call.args)):
            raise RefusedError(f"{call.path} returns a tensor that it was not given")

    def as_values(self, given: Any) -> Any:
        """Return arguments or results with a value in place of each tensor, lists as tuples."""
        import torch

        if isinstance(given, torch.Tensor):
            return self.value(given)
        if isinstance(given, tuple | list):
            return tuple(self.as_values(each) for each in given)
        if isinstance(given, dict):
            return {key: self.as_values(each) for key, each in given.items()}
        return given

    def _add(
        self, tensor: Tensor, call: Call | None = None, role: str = "0", input_of: int | None = None
    ) -> Value:
        value = Value(tensor, call, role, input_of, _version(tensor))
        self._values[id(tensor)] = value
        self._all.append(value)
        return value


def _mode(recorder: Recorder) -> Any:
    from torch.overrides import TorchFunctionMode

    class Mode(TorchFunctionMode):
        def __torch_function__(
            self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            return recorder.function(func, args, kwargs or {})

    return Mode()


def _version(tensor: Tensor) -> int:
    """Return how often a tensor was changed in place.

    Torch does not count that for tensors that were made in inference mode, such as states that a
    model kept from there, and refuses to change them outside.
    """
    return 0 if tensor.is_inference() else tensor._version


def _holds_all(tensor: Tensor) -> bool:
    """Return whether a tensor's type holds what float32 does."""
    return tensor.is_floating_point() and tensor.element_size() >= 4


def _name(func: Callable[..., Any]) -> str:
    """Return the name of a function, or of the attribute that it gets."""
    name: str = func.__name__
    if name == "__get__":
        return str(getattr(getattr(func, "__self__", None), "__name__", name))
    return name


def _in_place(name: str) -> bool:
    """Return whether a function changes its first argument."""
    if name in IDENTITIES or name == "__invert__":
        return False
    special = name.startswith("__")
    return name in _WRITES or (name.startswith("__i") if special else name.endswith("_"))


def _tensors(result: Any) -> Iterator[Tensor]:
    import torch

    if isinstance(result, torch.Tensor):
        yield result
    elif isinstance(result, tuple | list):
        for each in result:
            yield from _tensors(each)
    elif isinstance(result, dict):
        for each in result.values():
            yield from _tensors(each)
