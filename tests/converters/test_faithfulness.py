"""Nothing is converted wrongly in silence: the graph has the module's logits, or there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn.utils import parametrizations, prune  # noqa: E402

from edgespike.converters import convert  # noqa: E402
from edgespike.converters.torch.agreement import agreement  # noqa: E402
from edgespike.converters.torch.modules import convert_module  # noqa: E402
from edgespike.errors import GraphError, UnsupportedError  # noqa: E402
from edgespike.interpreter import interpret  # noqa: E402
from edgespike.nn.layers.penalty import SpikePenalty  # noqa: E402
from edgespike.nn.layers.spike import SpikeActivation  # noqa: E402
from edgespike.nn.layers.weighted import InputScale, QuantConv2d, QuantLinear  # noqa: E402

pytestmark = pytest.mark.torch


LAYER = QuantLinear(4, 4)
COMPLEX = nn.Parameter(torch.ones(4, 4, dtype=torch.complex64))


class Wrapper(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Any) -> Any:
        """Call the net."""
        return self.net(x)


class Chain(nn.Module):
    """Registers its parts in another order than it runs them in."""

    def __init__(self) -> None:
        super().__init__()
        self.fire = SpikeActivation(0.2)
        self.layer = QuantLinear(4, 4)

    def forward(self, x: Any) -> Any:
        for _ in (1, 2):
            x = self.layer(x)
            x = self.fire(x)
        return x


def dense(threshold: float = 0.3) -> list[nn.Module]:
    return [QuantLinear(4, 4), SpikeActivation(threshold)]


def trained(norm: Any) -> Any:
    """Set the statistics of a normalisation as some training would, and return it."""
    for values in (norm.running_mean, norm.running_var):
        values.uniform_(0.1, 0.8)
    return norm


def check_equal(net: nn.Module, shape: tuple[int, ...], *, half: bool = False) -> None:
    """Compare all logits on random input with the module's in double precision.

    ``half``: a readout with a bias, which is rounded to whole units of its accumulator.
    """
    graph = convert(net, shape)
    high = graph.input.op.high  # type: ignore[union-attr]
    samples = np.random.default_rng(0).integers(0, high + 1, (50, *shape))
    scale = graph.readout.op.scale  # type: ignore[union-attr]
    logits = interpret(graph, samples).accumulators(graph) * scale
    with torch.no_grad(), torch.compiler.set_stance("force_eager"):  # no compiler is needed
        expected = net.double().eval()(torch.from_numpy(samples).double()).numpy()
    assert np.ptp(expected, axis=0).all()
    if half:
        assert (np.abs(logits - expected) <= scale / 2 + 1e-9).all()
    else:
        assert logits == pytest.approx(expected, abs=1e-6)


FAITHFUL: dict[str, tuple[Callable[[], list[Any]], tuple[int, ...]]] = {
    "a layer used twice": (
        lambda: [same := QuantLinear(4, 4), fire := SpikeActivation(0.2), same, fire, LAYER],
        (4,),
    ),
    "a block used twice": (
        lambda: [block := nn.Sequential(*dense()), block, QuantLinear(4, 2)],
        (4,),
    ),
    "input scaling behind dropout": (
        lambda: [nn.Dropout(), nn.Identity(), InputScale(9), *dense(), QuantLinear(4, 2)],
        (4,),
    ),
    "input scaling by one": (
        lambda: [InputScale(1), InputScale(9), *dense(), QuantLinear(4, 2)],
        (4,),
    ),
    "a threshold for each layer": (
        lambda: [InputScale(9), *dense(0.1), *dense(-0.2), *dense(0), QuantLinear(4, 2)],
        (4,),
    ),
    "statistics without momentum": (
        lambda: [
            InputScale(9),
            QuantLinear(4, 4),
            trained(nn.BatchNorm1d(4, momentum=None)),
            SpikeActivation(-0.5),
            QuantLinear(4, 2),
        ],
        (4,),
    ),
    "normalisation without gamma and beta": (
        lambda: [
            InputScale(9),
            QuantLinear(4, 4, bias=True),
            trained(nn.BatchNorm1d(4, affine=False)),
            SpikeActivation(-0.5),
            QuantLinear(4, 2),
        ],
        (4,),
    ),
    "pools that overlap, are padded and leave a rest": (
        lambda: [
            InputScale(9),
            QuantConv2d(2, 3, 3, padding=1),
            trained(nn.BatchNorm2d(3)),
            nn.MaxPool2d([3, 2], stride=(2, 3), padding=1),  # type: ignore[arg-type]
            SpikeActivation(0.2),
            nn.MaxPool2d(2, stride=1),
            nn.Flatten(),
            QuantLinear(3 * 3 * 2, 2),
        ],
        (2, 7, 8),
    ),
    "an average whose border counts": (
        lambda: [
            InputScale(9),
            nn.AvgPool2d(2, stride=1, padding=1),
            QuantConv2d(2, 3, 3),
            SpikeActivation(0.1),
            nn.AvgPool2d((2, 3), stride=(1, 2), ceil_mode=True),
            nn.Flatten(),
            QuantLinear(3 * 5 * 3, 2),
        ],
        (2, 7, 8),
    ),
    "averages with another divisor, and over the whole image": (
        lambda: [
            InputScale(9),
            QuantConv2d(2, 3, 3, padding=1),
            trained(nn.BatchNorm2d(3)),
            SpikeActivation(-0.2),
            nn.AvgPool2d(3, stride=2, padding=1, divisor_override=7),
            QuantConv2d(3, 4, 1),
            SpikeActivation(0.05),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            QuantLinear(4, 2),
        ],
        (2, 7, 8),
    ),
    "an average of a border that has the same size everywhere": (
        lambda: [
            InputScale(9),
            nn.AvgPool2d(4, stride=4, padding=1, count_include_pad=False),
            nn.Flatten(),
            QuantLinear(8, 2),
        ],
        (2, 6, 6),
    ),
    "averages before the neuron": (
        lambda: [
            InputScale(9),
            QuantConv2d(2, 3, 3, bias=True),
            nn.AvgPool2d(2, stride=1),
            trained(nn.BatchNorm2d(3)),
            nn.MaxPool2d(2),
            SpikeActivation(-1.2),
            QuantConv2d(3, 4, 1),
            trained(nn.BatchNorm2d(4)),
            nn.AdaptiveAvgPool2d((1, None)),
            SpikeActivation(-1.4),
            nn.Flatten(),
            QuantLinear(8, 2),
        ],
        (2, 7, 8),
    ),
    "adaptive windows that touch and that overlap": (
        lambda: [
            InputScale(9),
            nn.AdaptiveAvgPool2d((6, 4)),
            QuantConv2d(2, 3, 1),
            nn.AdaptiveMaxPool2d([3, 3]),  # type: ignore[arg-type]
            SpikeActivation(-0.3),
            nn.Flatten(),
            QuantLinear(27, 2),
        ],
        (2, 7, 8),
    ),
    "rounding up where nothing is left over": (
        lambda: [
            InputScale(9),
            QuantConv2d(2, 3, 1),
            nn.MaxPool2d((3, 2), stride=(2, 3), padding=(0, 1), ceil_mode=True),
            SpikeActivation(-0.3),
            nn.Flatten(),
            QuantLinear(27, 2),
        ],
        (2, 7, 8),
    ),
    "a size of one number for both axes": (
        lambda: [
            InputScale(9),
            nn.AvgPool2d((2,), stride=(1,)),  # type: ignore[arg-type]
            nn.MaxPool2d([2], padding=[1]),  # type: ignore[arg-type]
            nn.Flatten(),
            QuantLinear(18, 2),
        ],
        (2, 6, 6),
    ),
    "features that become an image": (
        lambda: [
            InputScale(9),
            *dense(),
            nn.Unflatten(1, (2, 1, -1)),
            nn.Dropout2d(),
            QuantConv2d(2, 2, (1, 2)),
            SpikeActivation(0.05),
            nn.Flatten(-3, 3),
            QuantLinear(2, 2),
        ],
        (4,),
    ),
    "wrapped modules": (
        lambda: [
            nn.DataParallel(Wrapper(nn.Sequential(InputScale(9), *dense()))),
            torch.compile(nn.Sequential(QuantLinear(4, 2)), backend="eager"),
        ],
        (4,),
    ),
    "a chain of modules": (lambda: [InputScale(9), Chain(), QuantLinear(4, 2)], (4,)),
    "a pool of the input": (
        lambda: [InputScale(9), nn.MaxPool2d(2), nn.Flatten(), QuantLinear(8, 2)],
        (2, 5, 4),
    ),
}


@pytest.mark.parametrize("name", FAITHFUL)
def test_the_graph_has_the_logits_of_the_module(name: str) -> None:
    make, shape = FAITHFUL[name]
    torch.manual_seed(3)
    check_equal(nn.Sequential(*make()), shape)


def test_a_module_in_training_mode_is_read_as_in_evaluation_mode() -> None:
    torch.manual_seed(3)
    norm = trained(nn.BatchNorm1d(4))
    net = nn.Sequential(nn.Dropout(), QuantLinear(4, 4), norm, SpikeActivation(-0.5), LAYER)
    trained_graph = convert(net.train(), (4,))
    assert net.training
    assert trained_graph == convert(net.eval(), (4,))


class Residual(nn.Sequential):
    def forward(self, x: Any) -> Any:
        return x + super().forward(x)  # type: ignore[no-untyped-call]


class Named(nn.Sequential):
    """A sequence with another name."""


def test_a_sequence_that_runs_otherwise_is_listed() -> None:
    net = nn.Sequential(Residual(*dense()), nn.Sequential(nn.GELU()), QuantLinear(4, 2))
    with pytest.raises(UnsupportedError, match=r"0 is a Residual[\s\S]*1.0 is a GELU"):
        convert(net, (4,))


class Calling(nn.Sequential):
    def __call__(self, x: Any) -> Any:
        return 1 - super().__call__(x)


class CallingInside(nn.Sequential):
    def _call_impl(self, x: Any) -> Any:
        return 1 - super()._call_impl(x)  # type: ignore[no-untyped-call]


class Repeating(nn.Sequential):
    def __iter__(self) -> Any:
        return iter(2 * list(super().__iter__()))


@pytest.mark.parametrize("kind", [Calling, CallingInside, Repeating])
def test_a_sequence_that_is_called_otherwise_is_refused(kind: type[nn.Sequential]) -> None:
    net = nn.Sequential(kind(*dense()), QuantLinear(4, 2))
    with pytest.raises(UnsupportedError, match=f"0 is a {kind.__name__}"):
        convert(net, (4,))


def test_a_sequence_under_another_name_is_a_sequence() -> None:
    torch.manual_seed(3)
    check_equal(Named(Named(*dense()), QuantLinear(4, 2)), (4,))


def outside(x: Any) -> Any:
    return x


class Branching(Wrapper):
    def forward(self, x: Any) -> Any:
        if x is not x or not x:
            return x
        return self.net(x)


class Hiding(Wrapper):
    def forward(self, x: Any) -> Any:
        try:
            return x + x
        except:  # noqa: E722
            return self.net(x)


class Reading(Wrapper):
    def forward(self, x: Any) -> Any:
        return outside(self.net(x))


class Changing(Wrapper):
    def forward(self, x: Any) -> Any:
        self.net = self.net
        return self.net(x)


class Skipping(Wrapper):
    def forward(self, x: Any) -> Any:
        self.net(x)
        return self.net(x)


class Adding(Wrapper):
    def forward(self, x: Any) -> Any:
        return x + self.net(x)


class Comparing(Wrapper):
    """Runs once more what returns its very input, as an Identity does."""

    def forward(self, x: Any) -> Any:
        y = self.net(x)
        return (y, self.net)[y is x](y) if x is y else y


class CalledOtherwise(Wrapper):
    def _call_impl(self, x: Any) -> Any:
        return 1 - super()._call_impl(x)  # type: ignore[no-untyped-call]


class Flagged(Wrapper):
    def forward(self, x: Any, twice: bool = False) -> Any:
        return self.net(self.net(x)) if twice else self.net(x)


class Shadowed(Wrapper):
    def __getattr__(self, name: str) -> Any:
        return outside if name == "net" else super().__getattr__(name)


class Indexing(Wrapper):
    def forward(self, x: Any) -> Any:
        return self.net[0](x)  # type: ignore[index]


class Deferring(Wrapper):
    def forward(self, x: Any) -> Any:
        return (lambda part: part(x))(self.net)


@pytest.mark.parametrize(
    "kind",
    [
        Branching,
        Hiding,
        Reading,
        Changing,
        Skipping,
        Adding,
        Comparing,
        CalledOtherwise,
        Flagged,
        Shadowed,
        Indexing,
        Deferring,
    ],
)
def test_a_module_that_may_do_more_than_call_its_parts_is_refused(kind: type[Wrapper]) -> None:
    net = nn.Sequential(kind(nn.Sequential(*dense())), QuantLinear(4, 2))
    with pytest.raises(UnsupportedError) as caught:
        convert(net, (4,))
    first, known = caught.value.violations
    assert first.startswith(f"0 is a {kind.__qualname__}, whose forward does more than call its")
    assert known.startswith("supported are ")


def test_a_wrapper_with_hooks_or_a_forward_of_its_own_is_refused() -> None:
    wrapper = Wrapper(nn.Sequential(QuantLinear(4, 2)))
    wrapper.register_forward_hook(lambda module, inputs, output: -output)
    with pytest.raises(UnsupportedError, match="the model has forward hooks"):
        convert(wrapper, (4,))
    wrapper = Wrapper(nn.Sequential(QuantLinear(4, 2)))
    wrapper.forward = torch.sigmoid  # type: ignore[method-assign]
    with pytest.raises(UnsupportedError, match="the model has a forward function of its own"):
        convert(wrapper, (4,))


@pytest.mark.parametrize("layers", [201, 1200])
def test_a_net_that_is_nested_too_deeply_is_refused(layers: int) -> None:
    net = nn.Sequential(*dense(), QuantLinear(4, 2))
    for _ in range(layers):
        net = nn.Sequential(net)
    with pytest.raises(UnsupportedError, match="inside 201 other modules; the limit is 200"):
        convert(net, (4,))


def test_a_net_that_is_nested_deeply_is_converted() -> None:
    plain = nn.Sequential(*dense(), QuantLinear(4, 2))
    net = plain
    for _ in range(199):
        net = nn.Sequential(net)
    assert convert(net, (4,)) == convert(plain, (4,))


def test_a_net_that_holds_itself_is_refused() -> None:
    net = nn.Sequential(*dense())
    net.append(nn.Sequential(net))
    with pytest.raises(UnsupportedError, match="the limit is 200"):
        convert(net, (4,))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_read_exactly(dtype: Any) -> None:
    torch.manual_seed(3)
    norms = [trained(nn.BatchNorm1d(size)) for size in (4, 2)]
    net = nn.Sequential(QuantLinear(4, 4), norms[0], SpikeActivation(-0.5), QuantLinear(4, 2, True))
    net.append(norms[1])
    half = convert(net.to(dtype), (4,))
    assert half == convert(net.float(), (4,))
    check_equal(net, (4,), half=True)


@pytest.mark.parametrize("softmax", [nn.Softmax(1), nn.LogSoftmax(-1), nn.Softmax()])
def test_a_softmax_at_the_end_is_left_out(softmax: nn.Module) -> None:
    plain = nn.Sequential(*dense(), QuantLinear(4, 2))
    net = nn.Sequential(Wrapper(nn.Sequential(plain, softmax)), nn.Dropout())
    assert convert(net, (4,)) == convert(plain, (4,))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([LAYER, nn.Softmax(1), SpikeActivation(), LAYER], "1 is a Softmax inside the net"),
        ([LAYER, nn.Softmax(1), nn.LogSoftmax(1)], "1 is a Softmax inside the net"),
        ([LAYER, nn.Softmax(0)], "1 is a Softmax over axis 0; give dim=1"),
    ],
)
def test_a_softmax_elsewhere_is_refused(layers: list[nn.Module], message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        convert(nn.Sequential(*layers), (4,))


def normalised_readout(gamma: list[float]) -> nn.Sequential:
    torch.manual_seed(3)
    norm = trained(nn.BatchNorm1d(3))
    norm.weight.data = torch.tensor(gamma)
    nn.init.normal_(norm.bias)
    return nn.Sequential(InputScale(9), *dense(), QuantLinear(4, 3, bias=True), norm)


def test_a_normalised_readout_has_the_logits_of_the_module() -> None:
    check_equal(normalised_readout([0.7, -1.3, 20.0]), (4,), half=True)


def test_a_normalised_readout_without_an_effect_changes_nothing() -> None:
    net = normalised_readout([1.0, 1.0, 1.0])
    plain = convert(net[:4], (4,))
    norm: Any = net[4]
    nn.init.zeros_(norm.bias)
    norm.running_mean.zero_()
    norm.running_var.fill_(1.0)
    norm.eps = 0.0
    assert convert(net, (4,)) == plain


def test_a_normalised_readout_with_a_constant_class_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="the readout: gamma of channel 1 is 0, which makes"):
        convert(normalised_readout([0.7, 0.0, 1.0]), (4,))


@pytest.mark.parametrize(
    "pool",
    [
        nn.MaxPool2d(3, ceil_mode=True),
        nn.MaxPool2d(3, dilation=2, stride=3),
        nn.AvgPool2d(3, ceil_mode=True),
    ],
)
def test_only_real_faults_are_listed(pool: nn.Module) -> None:
    """What follows a refused pool is examined with the shapes that it has in the module."""
    features = pool(torch.zeros(1, 2, 8, 8)).numel()
    net = [InputScale(9), conv(), pool, SpikeActivation(), nn.Flatten(), QuantLinear(features, 2)]
    with pytest.raises(UnsupportedError) as caught:
        convert(nn.Sequential(*net), (1, 8, 8))
    assert len(caught.value.violations) == 1
    wrong = QuantLinear(features + 1, 2)
    with pytest.raises(UnsupportedError, match=r"2 has [\s\S]*5 \(dense\): weight takes"):
        convert(nn.Sequential(*net[:-1], wrong), (1, 8, 8))


def test_a_layer_that_is_distributed_is_what_it_holds(tmp_path: Path) -> None:
    distributed = torch.distributed
    distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'meeting'}", rank=0, world_size=1
    )
    try:
        plain = nn.Sequential(*dense(), QuantLinear(4, 2))
        net = nn.parallel.DistributedDataParallel(plain)
        assert convert(net, (4,)) == convert(plain, (4,))
    finally:
        distributed.destroy_process_group()


def test_a_compiled_module_agrees_with_its_graph() -> None:
    plain = nn.Sequential(InputScale(9), *dense(), QuantLinear(4, 2))
    net = torch.compile(plain, backend="eager")
    samples = np.random.default_rng(0).integers(0, 10, (20, 4))
    (layer,) = agreement(net, (4,), samples)
    assert (layer.path, layer.neurons, layer.unexplained) == ("_orig_mod.2", 80, 0)


def hooked(net: nn.Sequential) -> None:
    net[0].register_forward_hook(lambda module, inputs, output: -output)


def hooked_before(net: nn.Sequential) -> None:
    net.register_forward_pre_hook(lambda module, inputs: (1 - inputs[0],))


def pruned(net: nn.Sequential) -> None:
    prune.l1_unstructured(net[0], "weight", 0.5)  # type: ignore[no-untyped-call]


def patched(net: nn.Sequential) -> None:
    net[1].forward = torch.sigmoid


def patched_inside(net: nn.Sequential) -> None:
    layer: Any = net[0]
    layer._call_impl = torch.sigmoid


def parametrised(net: nn.Sequential) -> None:
    parametrizations.weight_norm(net[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (hooked, "0 has forward hooks, which may change"),
        (hooked_before, "the model has forward hooks, which may change"),
        (pruned, r"0 has forward hooks.*prune\.remove"),
        (lambda net: SpikePenalty(net, torch.zeros(1, 4)), r"2 has forward hooks.*close\(\)"),
        (patched, "1 has a forward function of its own"),
        (patched_inside, "0 has a function _call_impl of its own"),
        (parametrised, "0 is a ParametrizedQuantLinear"),
        (lambda net: net.add_module("none", None), "none is a NoneType"),
        (lambda net: setattr(net[0], "weight", COMPLEX), "0 has weights of torch.complex64"),
        (lambda net: net.to("meta"), r"0.weight is on the meta device.*[\s\S]*2.bias is on the"),
        (lambda net: setattr(net[1], "first", float("nan")), "1 has first nan"),
        (lambda net: setattr(net[1], "first", torch.ones(4)), "1 has first tensor"),
        (lambda net: nn.init.constant_(net[2].bias, 1e30), "readout's bias is .* the limit is"),
        (lambda net: nn.init.constant_(net[2].bias, float("nan")), "bias is not finite"),
    ],
)
def test_what_may_compute_something_else_is_refused(
    change: Callable[[nn.Sequential], Any], message: str
) -> None:
    net = nn.Sequential(*dense(), QuantLinear(4, 2, bias=True))
    change(net)
    with pytest.raises(UnsupportedError, match=message):
        convert(net, (4,))


@pytest.mark.parametrize(
    ("register", "hook"),
    [
        (nn.modules.module.register_module_forward_hook, lambda module, inputs, out: 2 * out),
        (nn.modules.module.register_module_forward_pre_hook, lambda module, inputs: None),
    ],
)
def test_hooks_on_all_modules_are_refused(register: Any, hook: Callable[..., Any]) -> None:
    net = nn.Sequential(*dense(), QuantLinear(4, 2, bias=True))
    handle = register(hook)
    try:
        with pytest.raises(UnsupportedError, match="torch has forward hooks for all modules"):
            convert(net, (4,))
    finally:
        handle.remove()
    assert convert(net, (4,))


def conv(**changes: Any) -> QuantConv2d:
    layer = QuantConv2d(1, 2, 3, padding=1)
    for name, value in changes.items():
        setattr(layer, name, value)
    return layer


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([*dense(), InputScale(9), LAYER], "2 scales values inside the net"),
        ([InputScale(9), InputScale(9), LAYER], "1 scales values inside the net"),
        ([LAYER, nn.BatchNorm1d(3), SpikeActivation(), LAYER], "1 normalises 3 channels"),
        ([LAYER, nn.Dropout(), LAYER], "2 follows a weighted layer without"),
        ([LAYER, SpikeActivation(), SpikeActivation(), LAYER], "2 follows no weighted layer"),
        ([LAYER, nn.Flatten(), SpikeActivation(), LAYER], "1 precedes an activation"),
    ],
)
def test_layers_in_a_wrong_place_are_refused(layers: list[nn.Module], message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        convert(nn.Sequential(*layers), (4,))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([conv(padding_mode="reflect")], "0 pads with reflect"),
        ([nn.Flatten(), conv()], "input has shape"),
        ([nn.Flatten(0), QuantLinear(64, 2)], "0 must flatten all axes after"),
        ([conv(), nn.MaxPool2d(2), nn.BatchNorm2d(2), SpikeActivation()], "2 must directly follow"),
        ([conv(), nn.MaxPool2d(3, ceil_mode=True), SpikeActivation()], "1 has ceil_mode"),
        ([conv(), nn.MaxPool2d(2, dilation=2), SpikeActivation()], r"1 has dilation \(2, 2\)"),
        ([conv(), nn.MaxPool2d(2, return_indices=True)], "1 has return_indices"),
        ([InputScale(9), nn.AvgPool2d(3, ceil_mode=True)], "1 has ceil_mode, which makes 3x3 w"),
        (
            [InputScale(9), nn.AvgPool2d(2, padding=1, count_include_pad=False)],
            "1 divides its windows by 1, 2, 4, as padding is not counted; set count_include_pad",
        ),
        ([InputScale(9), nn.AvgPool2d(2, divisor_override=-2)], "1 has divisor_override -2"),
        ([conv(), nn.AvgPool2d(2, padding=1)], r"1 has padding \(1, 1\) before an activation"),
        ([conv(), nn.AvgPool2d(2, divisor_override=3)], "1 has divisor_override 3 before"),
        ([conv(), nn.MaxPool2d(2), nn.AvgPool2d(2)], "2 follows another pool"),
        ([InputScale(9), nn.AdaptiveAvgPool2d(3)], "1 divides 8x8 values into 3x3 windows that"),
        ([InputScale(9), nn.AdaptiveMaxPool2d((2, 5))], "1 divides 8x8 values into 2x5 windows"),
        ([conv(), nn.MaxPool2d(2, stride=0)], "1 has stride 0; give one or two whole numbers of"),
        ([nn.MaxPool2d(2, padding=-1)], "0 has padding -1; give one or two whole numbers of at l"),
        ([nn.AvgPool2d(2.5)], "0 has kernel_size 2.5; give one or two whole"),  # type: ignore[arg-type]
        ([nn.AdaptiveAvgPool2d((2, 2, 2))], r"0 has output_size \(2, 2, 2\); give one or two"),
        ([nn.AdaptiveMaxPool2d(0)], "0 has output_size 0; give one or two whole numbers of at"),
        ([nn.ZeroPad2d((1, 2))], r"0 has padding \(1, 2\); give one number, or left, right, top"),  # type: ignore[arg-type]
        ([nn.Flatten(), nn.AdaptiveAvgPool2d(1)], r"1 receives shape \(64,\); pooling needs"),
        ([nn.Unflatten(1, (1, 8))], "0 must give the features of a sample a shape"),
        ([nn.Flatten(), nn.Unflatten(1, (3, 5, 5))], "they must be equal"),
        ([conv(), nn.MaxPool2d(2), nn.MaxPool2d(2), SpikeActivation()], "2 follows another pool"),
        ([QuantLinear(8, 2)], "flatten it with a reshape first"),
    ],
)
def test_image_layers_that_mean_something_else_are_refused(
    layers: list[nn.Module], message: str
) -> None:
    with pytest.raises(UnsupportedError, match=message):
        convert_module(nn.Sequential(*layers), (1, 8, 8), "model")


@pytest.mark.parametrize("shape", [4, [4], (4.0,), "4", None])
def test_a_shape_that_is_not_a_tuple_of_whole_numbers_is_refused(shape: Any) -> None:
    with pytest.raises(UnsupportedError, match="give the shape of one sample as a tuple"):
        convert(nn.Sequential(LAYER), shape)


def test_a_name_that_a_graph_may_not_have_is_refused() -> None:
    with pytest.raises(GraphError, match="name 'my net' may hold"):
        convert(nn.Sequential(LAYER), (4,), name="my net")


def test_statistics_that_cannot_be_folded_name_the_module() -> None:
    norm = trained(nn.BatchNorm1d(4))
    norm.running_var.fill_(-1.0)
    with pytest.raises(UnsupportedError, match="2: variance of channel 0 plus epsilon is -"):
        convert(nn.Sequential(LAYER, norm, SpikeActivation(), LAYER), (4,))


@pytest.mark.parametrize("maximum", [2.5, 0, -255, "255", float("nan")])
def test_a_scale_has_a_whole_positive_maximum(maximum: Any) -> None:
    with pytest.raises(ValueError, match="it must be a whole number of at least 1"):
        InputScale(maximum)
