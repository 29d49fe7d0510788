"""Which steps, states and answers are found in the ``forward`` of a user's module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
snntorch = pytest.importorskip("snntorch", reason="needs snntorch: pip install snntorch")

import torch.nn.functional as F  # noqa: E402, N812
from snntorch import spikegen, utils  # noqa: E402
from torch import nn  # noqa: E402

import edgespike  # noqa: E402
from edgespike.converters import choosing, conversion  # noqa: E402
from edgespike.converters.base import ConvertOptions  # noqa: E402
from edgespike.converters.snntorch import activity, float_net  # noqa: E402
from edgespike.errors import UnsupportedError  # noqa: E402
from edgespike.floats.net import FloatDelay, FloatNeurons, FloatReadout  # noqa: E402
from edgespike.floats.run import answers, run_steps  # noqa: E402
from edgespike.graph import ReadoutMode  # noqa: E402
from edgespike.trace import logits  # noqa: E402
from tests.converters.spiking.nets import Dense, dyadic, exact_spike  # noqa: E402

pytestmark = pytest.mark.torch

STEPS = 6


def leaky(**more: Any) -> Any:
    return snntorch.Leaky(**{"beta": 0.5, "spike_grad": exact_spike, **more})


class Base(nn.Module):
    """Two layers; what is made of them is in each test's ``forward``."""

    def __init__(self, forward: Callable[..., Any], **neurons: Any) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(4, 6), nn.Linear(6, 3)
        self.lif1, self.lif2 = leaky(**neurons), leaky(**neurons)
        self.recurrent = nn.Linear(6, 6, bias=False)
        self.run = forward

    def forward(self, x: Any) -> Any:
        return self.run(self, x)


def over_steps(made: Callable[[Any, Any], Any], pick: Callable[[Any, int], Any]) -> Any:
    """Return a loop whose spikes and potentials are handed to a function."""

    def forward(net: Any, x: Any) -> Any:
        mem1, mem2 = net.lif1.reset_mem(), net.lif2.reset_mem()
        spikes, potentials = [], []
        for step in range(STEPS):
            spk1, mem1 = net.lif1(net.fc1(pick(x, step)), mem1)
            spk2, mem2 = net.lif2(net.fc2(spk1), mem2)
            spikes.append(spk2)
            potentials.append(mem2)
        return made(spikes, potentials)

    return forward


def always(x: Any, step: int) -> Any:
    return x


def written(spikes: Any, potentials: Any) -> Any:
    record = torch.zeros(STEPS, *spikes[0].shape, dtype=spikes[0].dtype)
    for step, spike in enumerate(spikes):
        record[step] = spike
    return record


def summed(spikes: Any, potentials: Any) -> Any:
    total = torch.zeros_like(spikes[0])
    for spike in spikes:
        total += spike
    return total


@pytest.mark.parametrize(
    ("made", "mode", "potential"),
    [
        (lambda s, m: torch.stack(s), ReadoutMode.SUM, False),
        (lambda s, m: (torch.stack(s, dim=0), torch.stack(m, dim=0)), ReadoutMode.SUM, False),
        (lambda s, m: (torch.stack(m), torch.stack(s)), ReadoutMode.SUM, False),
        (lambda s, m: s, ReadoutMode.SUM, False),
        (lambda s, m: (s, m), ReadoutMode.SUM, False),
        (lambda s, m: {"spikes": torch.stack(s, dim=1)}, ReadoutMode.SUM, False),
        (lambda s, m: torch.stack(s).permute(1, 0, 2), ReadoutMode.SUM, False),
        (lambda s, m: torch.stack(s).sum(0), ReadoutMode.SUM, False),
        (lambda s, m: torch.stack(s).sum(dim=0), ReadoutMode.SUM, False),
        (lambda s, m: torch.stack(s, 1).sum(1), ReadoutMode.SUM, False),
        (lambda s, m: torch.sum(torch.stack(s), 0), ReadoutMode.SUM, False),
        (lambda s, m: torch.stack(s).mean(0), ReadoutMode.SUM, False),
        (lambda s, m: sum(s), ReadoutMode.SUM, False),
        (lambda s, m: sum(s) / STEPS, ReadoutMode.SUM, False),
        (lambda s, m: F.log_softmax(torch.stack(s).sum(0), dim=1), ReadoutMode.SUM, False),
        (summed, ReadoutMode.SUM, False),
        (written, ReadoutMode.SUM, False),
        (lambda s, m: torch.stack(m), ReadoutMode.LAST, True),
        (lambda s, m: m[-1], ReadoutMode.LAST, True),
        (lambda s, m: torch.stack(m)[-1], ReadoutMode.LAST, True),
        (lambda s, m: torch.stack(m).max(0)[0], ReadoutMode.MAX, True),
        (lambda s, m: torch.max(torch.stack(m), dim=0).values, ReadoutMode.MAX, True),
        (lambda s, m: torch.stack(m).amax(0), ReadoutMode.MAX, True),
        (lambda s, m: torch.stack(m).sum(0), ReadoutMode.SUM, True),
    ],
)
def test_what_a_loop_returns_is_its_readout(made: Any, mode: ReadoutMode, potential: bool) -> None:
    model = dyadic(Base(over_steps(made, always)))
    net = float_net(model, ConvertOptions(input_shape=(4,)))
    assert net.steps == STEPS
    assert net.nodes[-1].op.mode is mode  # type: ignore[union-attr]
    (source,) = (node for node in net.nodes if node.name == net.nodes[-1].inputs[0])
    assert isinstance(source.op, FloatNeurons)
    assert source.op.emits_potential is potential
    assert source.path == "lif2"


@pytest.mark.parametrize(
    "made",
    [
        lambda s, m: torch.stack(s[1:]),
        lambda s, m: torch.stack(s).sum(1),
        lambda s, m: torch.stack(s).max(0)[1],
        lambda s, m: torch.stack(s)[0],
        lambda s, m: torch.stack([*s[:-1], s[0]]),
        lambda s, m: torch.stack(s) * 2,
        lambda s, m: sum(s) / (STEPS + 1),
        lambda s, m: F.softmax(torch.stack(s).sum(0), dim=0),
        lambda s, m: None,
    ],
)
def test_what_else_a_loop_returns_is_refused(made: Any) -> None:
    model = dyadic(Base(over_steps(made, always)))
    with pytest.raises(UnsupportedError, match=r"the model (returns nothing|computes what it)"):
        float_net(model, ConvertOptions(input_shape=(4,)))


def test_the_answer_of_a_rate_is_the_count_and_that_is_said() -> None:
    model = dyadic(Base(over_steps(lambda s, m: torch.stack(s).mean(0), always)))
    net = float_net(model, ConvertOptions(input_shape=(4,)))
    assert "times steps" in net.assumed[0]


@pytest.mark.parametrize(
    ("axis", "pick"),
    [
        (0, lambda x, step: x[step]),
        (0, lambda x, step: x[step, ...]),
        (0, lambda x, step: x[step, :, :]),
        (0, lambda x, step: x.select(0, step)),
        (0, lambda x, step: x[step - STEPS]),
        (0, lambda x, step: x[step].squeeze()),
        (1, lambda x, step: x[:, step]),
        (1, lambda x, step: x[:, step, :]),
        (1, lambda x, step: x.unbind(1)[step]),
        (1, lambda x, step: x.unbind(dim=1)[step]),
        (1, lambda x, step: x.permute(1, 0, 2)[step]),
        (1, lambda x, step: x.transpose(0, 1)[step]),
    ],
)
def test_the_axis_of_the_steps_is_found(axis: int, pick: Any) -> None:
    model = dyadic(Base(over_steps(lambda s, m: torch.stack(s), pick)), largest=20)
    options = ConvertOptions(input_shape=(4,), steps=STEPS)
    net = float_net(model, options)
    samples = np.random.default_rng(0).integers(0, 2, (9, STEPS, 4)) * 2.0
    x = torch.tensor(samples if axis else samples.swapaxes(0, 1))
    with torch.no_grad():
        expected = model(x).sum(0).numpy()
    assert expected.any()
    np.testing.assert_array_equal(answers(net, samples), expected)
    found = activity(model, options, samples)["lif2"]
    np.testing.assert_array_equal(found.sum(1), expected)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    "before",
    [
        lambda net, x: x.flatten(2),
        lambda net, x: x.float().double().view(x.shape[0], x.shape[1], -1),
        lambda net, x: x.flatten(2) / 2 + 0.5,
        lambda net, x: net.flatten(x),
    ],
)
def test_all_steps_of_the_input_may_be_prepared_at_once(before: Any, axis: int) -> None:
    def forward(net: Any, x: Any) -> Any:
        currents = net.fc1(before(net, x))
        mem1 = net.lif1.reset_mem()
        record = []
        for step in range(STEPS):
            spk1, mem1 = net.lif1(currents.select(axis, step), mem1)
            record.append(spk1)
        return torch.stack(record)

    model = Base(forward)
    model.flatten = nn.Flatten(2)
    model = dyadic(model, largest=20)
    net = float_net(model, ConvertOptions(input_shape=(1, 2, 2), steps=STEPS))
    samples = np.random.default_rng(0).integers(0, 2, (9, STEPS, 1, 2, 2)) * 2.0
    x = torch.tensor(samples if axis else samples.swapaxes(0, 1))
    with torch.no_grad():
        expected = model(x).sum(0).numpy()
    assert expected.any()
    np.testing.assert_array_equal(answers(net, samples), expected)


@pytest.mark.parametrize(
    "pick",
    [
        lambda x, step: x[STEPS - 1 - step],
        lambda x, step: x[0],
        lambda x, step: x[max(step - 1, 0)],
    ],
)
def test_an_input_that_is_not_read_step_by_step_is_refused(pick: Any) -> None:
    model = dyadic(Base(over_steps(lambda s, m: torch.stack(s), pick)))
    with pytest.raises(UnsupportedError, match=r"at step 1 in another way|reads step"):
        float_net(model, ConvertOptions(input_shape=(4,), steps=STEPS))


def test_steps_are_asked_for_where_the_input_has_them() -> None:
    model = dyadic(Base(over_steps(lambda s, m: torch.stack(s), lambda x, step: x[step])))
    with pytest.raises(UnsupportedError, match="steps is missing"):
        float_net(model, ConvertOptions(input_shape=(4,)))


def test_steps_are_asked_for_where_the_module_does_one_step() -> None:
    model = nn.Sequential(nn.Linear(4, 3), leaky(init_hidden=True))
    with pytest.raises(UnsupportedError, match="the module does one step"):
        float_net(model, ConvertOptions(input_shape=(4,)))


def test_another_number_of_steps_than_the_loops_is_refused() -> None:
    model = dyadic(Dense(5))
    with pytest.raises(UnsupportedError, match="runs 5 steps, but steps is 6; give steps=5"):
        float_net(model, ConvertOptions(input_shape=(16,), steps=6))


def states_as_arguments(self: Any, x: Any, mem1: Any, spk1: Any, mem2: Any) -> Any:
    spk1, mem1 = self.lif1(self.fc1(x), mem1)
    spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
    return mem1, spk1, mem2, spk2


def test_states_may_be_arguments_that_are_returned() -> None:
    class Net(Base):
        forward = states_as_arguments  # type: ignore[assignment]

    model = dyadic(Net(lambda: None), largest=20)
    options = ConvertOptions(input_shape=(4,), steps=STEPS)
    net = float_net(model, options)
    assert net.steps == STEPS
    assert net.assumed[0].startswith("argument mem1 is the mem of lif1")
    assert net.nodes[-1].inputs == ("lif2",)
    samples = np.random.default_rng(1).integers(0, 2, (9, STEPS, 4)) * 2.0
    states = [torch.zeros(0)] * 3
    total = 0
    for step in range(STEPS):
        with torch.no_grad():
            *states, spikes = model(torch.tensor(samples[:, step]), *states)
        total = total + spikes.numpy()
    assert np.any(total)
    np.testing.assert_array_equal(answers(net, samples), total)


def test_a_state_that_is_taken_and_not_returned_is_refused() -> None:
    class Net(Base):
        def forward(self, x: Any, mem1: Any) -> Any:  # type: ignore[override]
            return self.lif1(self.fc1(x), mem1)[0]

    with pytest.raises(UnsupportedError, match="takes mem1 as the mem of lif1, but does not"):
        float_net(dyadic(Net(lambda: None)), ConvertOptions(input_shape=(4,), steps=3))


def test_states_may_be_attributes_of_the_module() -> None:
    def forward(net: Any, x: Any) -> Any:
        spk1, net.mem1 = net.lif1(net.fc1(x), net.mem1)
        _, net.mem2 = net.lif2(net.fc2(spk1), net.mem2)
        return net.mem2.clone()

    model = dyadic(Base(forward))
    model.mem1, model.mem2 = None, torch.zeros(0)
    net = float_net(model, ConvertOptions(input_shape=(4,), steps=3))
    assert net.nodes[-1].op.mode is ReadoutMode.LAST  # type: ignore[union-attr]
    assert model.mem1 is None


def test_one_module_may_serve_two_layers_with_states_of_their_own() -> None:
    def forward(net: Any, x: Any) -> Any:
        first = second = net.lif1.reset_mem()
        record = []
        for _ in range(STEPS):
            spikes, first = net.lif1(net.fc1(x), first)
            spikes, second = net.lif1(net.recurrent(spikes), second)
            record.append(spikes)
        return torch.stack(record)

    model = dyadic(Base(forward))
    net = float_net(model, ConvertOptions(input_shape=(4,)))
    assert [node.name for node in net.of_type(FloatNeurons)] == ["lif1", "lif1_2"]
    samples = np.random.default_rng(1).integers(0, 2, (9, 4)) * 2.0
    with torch.no_grad():
        expected = model(torch.tensor(samples)).sum(0).numpy()
    assert expected.any()
    np.testing.assert_array_equal(answers(net, samples), expected)


def test_one_module_with_hidden_states_in_two_layers_is_refused() -> None:
    def forward(net: Any, x: Any) -> Any:
        return net.lif1(net.recurrent(net.lif1(net.fc1(x))))

    model = dyadic(Base(forward, init_hidden=True))
    with pytest.raises(UnsupportedError, match="the input of lif1"):
        float_net(model, ConvertOptions(input_shape=(4,), steps=3))


def by_hand(net: Any, x: Any) -> Any:
    mem1, mem2 = net.lif1.reset_mem(), net.lif2.reset_mem()
    spk1 = torch.zeros(x.size(0), 6, dtype=x.dtype)
    record = []
    for _ in range(STEPS):
        spk1, mem1 = net.lif1(net.fc1(x) + net.recurrent(spk1), mem1)
        spk2, mem2 = net.lif2(net.fc2(spk1), mem2)
        record.append(spk2)
    return torch.stack(record)


def test_a_recurrence_by_hand_becomes_a_delay() -> None:
    model = dyadic(Base(by_hand))
    options = ConvertOptions(input_shape=(4,))
    net = float_net(model, options)
    (delay,) = net.of_type(FloatDelay)
    assert delay.inputs == ("lif1",)
    samples = np.random.default_rng(1).integers(0, 2, (9, 4)) * 2.0
    expected = activity(model, options, samples)
    for step, values in enumerate(run_steps(net, samples)):
        for path, spikes in expected.items():
            np.testing.assert_array_equal(values[path], spikes[:, step])


def test_utils_reset_may_be_called_in_forward() -> None:
    def forward(net: Any, x: Any) -> Any:
        utils.reset(net)
        return torch.stack([net.lif2(net.fc2(net.lif1(net.fc1(x)))) for _ in range(STEPS)])

    model = dyadic(Base(forward, init_hidden=True))
    assert float_net(model, ConvertOptions(input_shape=(4,))).steps == STEPS


def test_a_module_that_resets_at_each_step_is_refused() -> None:
    def forward(net: Any, x: Any) -> Any:
        utils.reset(net)
        return net.lif2(net.fc2(net.lif1(net.fc1(x))))

    model = dyadic(Base(forward, init_hidden=True))
    with pytest.raises(UnsupportedError, match="starts its neurons again at every call"):
        float_net(model, ConvertOptions(input_shape=(4,), steps=3))


def other_at_the_third_step(net: Any, x: Any) -> Any:
    mem1 = net.lif1.reset_mem()
    record = []
    for step in range(STEPS):
        current = net.fc1(x)
        spk1, mem1 = net.lif1(current * 2 if step == 2 else current, mem1)
        record.append(spk1)
    return torch.stack(record)


def noisy(net: Any, x: Any) -> Any:
    mem1 = net.lif1.reset_mem()
    record = []
    for _ in range(STEPS):
        spk1, mem1 = net.lif1(net.fc1(x) + torch.rand(6), mem1)
        record.append(spk1)
    return torch.stack(record)


def rate_coded(net: Any, x: Any) -> Any:
    mem1 = net.lif1.reset_mem()
    record = []
    for step in spikegen.rate(x, num_steps=STEPS):
        spk1, mem1 = net.lif1(net.fc1(step), mem1)
        record.append(spk1)
    return torch.stack(record)


def half_a_state(net: Any, x: Any) -> Any:
    mem1 = net.lif1.reset_mem()
    record = []
    for _ in range(STEPS):
        spk1, mem1 = net.lif1(net.fc1(x), mem1 * 0.5)
        record.append(spk1)
    return torch.stack(record)


def a_start(net: Any, x: Any) -> Any:
    mem1 = torch.full((x.size(0), 6), 0.5, dtype=x.dtype)
    record = []
    for _ in range(STEPS):
        spk1, mem1 = net.lif1(net.fc1(x), mem1)
        record.append(spk1)
    return torch.stack(record)


def until_all_fire(net: Any, x: Any) -> Any:
    mem1 = net.lif1.reset_mem()
    record = []
    for _ in range(STEPS):
        spk1, mem1 = net.lif1(net.fc1(x), mem1)
        record.append(spk1)
        if spk1.sum() > 10:
            break
    return torch.stack(record)


def potentials_to_a_layer(net: Any, x: Any) -> Any:
    mem1, mem2 = net.lif1.reset_mem(), net.lif2.reset_mem()
    record = []
    for _ in range(STEPS):
        _, mem1 = net.lif1(torch.sin(net.fc1(x)), mem1)
        spk2, mem2 = net.lif2(net.fc2(torch.tanh(mem1)), mem2)
        record.append(spk2)
    return torch.stack(record)


def in_place_through_a_view(net: Any, x: Any) -> Any:
    mem1 = net.lif1.reset_mem()
    record = []
    for _ in range(STEPS):
        current = net.fc1(x)
        current.view(-1).add_(1)
        spk1, mem1 = net.lif1(current, mem1)
        record.append(spk1)
    return torch.stack(record)


def in_place_through_data(net: Any, x: Any) -> Any:
    mem1 = net.lif1.reset_mem()
    record = []
    for _ in range(STEPS):
        spk1, mem1 = net.lif1(net.fc1(x), mem1)
        mem1.data.mul_(0.5)
        record.append(spk1)
    return torch.stack(record)


def other_threshold_later(net: Any, x: Any) -> Any:
    mem1 = net.lif1.reset_mem()
    record = []
    for step in range(STEPS):
        net.lif1.threshold = torch.tensor(1.0 if step < 2 else 2.0)
        spk1, mem1 = net.lif1(net.fc1(x), mem1)
        record.append(spk1)
    return torch.stack(record)


def other_weights_later(net: Any, x: Any) -> Any:
    mem1 = net.lif1.reset_mem()
    record = []
    for _ in range(STEPS):
        spk1, mem1 = net.lif1(net.fc1(x), mem1)
        net.fc1.weight = nn.Parameter(net.fc1.weight * 0.5)
        record.append(spk1)
    return torch.stack(record)


@pytest.mark.parametrize(
    ("forward", "said"),
    [
        (in_place_through_data, ["in place through its data"]),
        (other_threshold_later, ["changes threshold of lif1 between its calls"]),
        (other_weights_later, ["changes weight of fc1 between its calls"]),
        (other_at_the_third_step, ["computes the input of lif1 at step 1 in another way"]),
        (noisy, ["computes the input of lif1 at step 1 in another way"]),
        (rate_coded, ["bernoulli"]),
        (half_a_state, ["gives lif1 a mem that is neither zero nor"]),
        (a_start, ["gives lif1 a mem that is neither zero nor"]),
        (until_all_fire, ["decides by values of its tensors, with __bool__"]),
        (potentials_to_a_layer, ["sin is a torch function", "tanh is a torch function"]),
        (in_place_through_a_view, ["in place"]),
    ],
)
def test_what_is_not_the_same_at_every_step_is_refused(forward: Any, said: list[str]) -> None:
    if forward is other_at_the_third_step:
        said = ["computes the input of lif1 at step 3"]
    with pytest.raises(UnsupportedError) as caught:
        float_net(dyadic(Base(forward)), ConvertOptions(input_shape=(4,)))
    for each in said:
        assert each in str(caught.value)


def test_all_unsupported_layers_are_listed_by_path() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding_mode="circular", padding=1),
        nn.GroupNorm(1, 2),
        leaky(init_hidden=True, state_quant=lambda x: x),
        nn.MaxPool2d(2, dilation=2),
        nn.Softmax(dim=1),
        nn.Flatten(),
        nn.Linear(18, 3),
        leaky(init_hidden=True, threshold=-1.0),
    )
    with pytest.raises(UnsupportedError) as caught:
        float_net(model, ConvertOptions(input_shape=(1, 8, 8), steps=3))
    paths = [line.split()[0] for line in caught.value.violations]
    assert sorted(paths) == ["0", "1", "2", "3", "4", "7"]


def test_a_model_is_left_as_it_was() -> None:
    model = dyadic(Base(over_steps(lambda s, m: torch.stack(s), always))).train()
    with torch.no_grad():
        model(torch.ones(2, 4, dtype=torch.float64))
    before = {name: value.clone() for name, value in model.named_buffers()}
    state = model.lif1.mem
    float_net(model, ConvertOptions(input_shape=(4,)))
    assert model.training
    assert model.lif1.training
    assert model.lif1.mem is state
    assert not any(module._forward_hooks for module in model.modules())
    for name, value in model.named_buffers():
        assert torch.equal(value, before[name])


def test_a_trained_net_with_states_in_its_graph_can_be_read() -> None:
    model = nn.Sequential(nn.Linear(4, 3), snntorch.Leaky(beta=0.5, init_hidden=True))
    for _ in range(2):
        loss = model(torch.ones(3, 4)).sum()
    loss.backward()
    assert float_net(model, ConvertOptions(input_shape=(4,), steps=3)).steps == 3


def test_a_net_that_keeps_states_from_inference_mode_can_be_read() -> None:
    model = dyadic(Base(over_steps(lambda s, m: torch.stack(s), always)))
    with torch.inference_mode():
        model(torch.ones(2, 4, dtype=torch.float64))
    assert model.lif1.mem.is_inference()
    assert float_net(model, ConvertOptions(input_shape=(4,))).steps == STEPS


@pytest.mark.parametrize("part", ["fc2", "lif2"])
def test_a_part_may_be_called_readout_as_the_last_node_is(part: str) -> None:
    def forward(net: Any, x: Any) -> Any:
        mem1, mem2, record = net.lif1.reset_mem(), net.lif2.reset_mem(), []
        for _ in range(STEPS):
            spikes, mem1 = net.lif1(net.fc1(x), mem1)
            answer = net.readout(spikes) if part == "fc2" else net.fc2(spikes)
            if part == "lif2":
                answer, mem2 = net.readout(answer, mem2)
            record.append(answer)
        return torch.stack(record).sum(0)

    model = dyadic(Base(forward), seed=3)
    model.readout = getattr(model, part)
    samples = np.random.default_rng(1).integers(0, 9, (9, 4))
    with torch.no_grad():
        expected = model(torch.tensor(samples, dtype=torch.float64)).numpy()
    graph = edgespike.convert(model, (4,), input_range=(0, 8), input_scale=1.0)
    assert expected.any()
    np.testing.assert_array_equal(
        logits(graph, edgespike.run(graph, samples).accumulators(graph)), expected
    )


def test_the_converter_is_chosen_by_what_a_module_contains() -> None:
    model = nn.Sequential(nn.Linear(4, 3), leaky(init_hidden=True))
    assert choosing.for_model(model).converter.name == "snntorch"
    assert choosing.for_model(nn.DataParallel(model)).converter.name == "snntorch"
    assert choosing.for_model(nn.Sequential(nn.Linear(4, 3))).converter.name == "torch-floats"


def test_a_wrapped_module_is_looked_through() -> None:
    model = nn.DataParallel(dyadic(Dense(5)).float())
    assert float_net(model, ConvertOptions(input_shape=(16,))).steps == 5


def test_hooks_and_functions_of_an_instance_are_refused() -> None:
    model = dyadic(Dense(5))
    model.fc1.register_forward_hook(lambda module, args, result: result * 2)
    model.lif2.forward = lambda x, mem: (x, mem)
    with pytest.raises(UnsupportedError) as caught:
        float_net(model, ConvertOptions(input_shape=(16,)))
    assert [line.split()[0] for line in caught.value.violations] == ["fc1", "lif2"]


def test_an_input_shape_is_asked_for() -> None:
    with pytest.raises(UnsupportedError, match="input_shape is missing"):
        edgespike.convert(dyadic(Dense(5)))


def test_a_net_without_a_reset_at_once_has_no_potential_to_read_out() -> None:
    model = dyadic(Dense(5, reset_delay=False))
    with pytest.raises(UnsupportedError, match="lif2 returns its mem after the reset"):
        float_net(model, ConvertOptions(input_shape=(16,), readout="potential"))


def test_a_readout_of_weighted_sums() -> None:
    def forward(net: Any, x: Any) -> Any:
        mem1 = net.lif1.reset_mem()
        record = []
        for _ in range(STEPS):
            spk1, mem1 = net.lif1(net.fc1(x), mem1)
            record.append(net.fc2(spk1))
        return torch.stack(record)

    net = float_net(dyadic(Base(forward)), ConvertOptions(input_shape=(4,)))
    (readout,) = net.of_type(FloatReadout)
    assert readout.inputs == ("fc2",)
    assert "sum over the steps" in net.assumed[0]


def test_an_argument_that_is_no_state_needs_a_default() -> None:
    class Net(Base):
        def forward(self, x: Any, count: int) -> Any:  # type: ignore[override]
            return [self.lif1(self.fc1(x)) for _ in range(count)]

    with pytest.raises(UnsupportedError, match="count got states of zeros: give an argument"):
        float_net(dyadic(Net(lambda: None)), ConvertOptions(input_shape=(4,)))


@pytest.mark.parametrize("made", [lambda s, m: torch.stack(s), lambda s, m: sum(s), summed])
def test_a_loop_may_be_long(made: Any) -> None:
    def forward(net: Any, x: Any) -> Any:
        mem1 = net.lif1.reset_mem()
        record = []
        for _ in range(1200):
            spk1, mem1 = net.lif1(net.fc1(x), mem1)
            record.append(spk1)
        return made(record, record)

    assert float_net(dyadic(Base(forward)), ConvertOptions(input_shape=(4,))).steps == 1200


def test_what_torch_does_not_see_is_seen_on_another_input() -> None:
    def forward(net: Any, x: Any) -> Any:
        mem1 = net.lif1.reset_mem()
        with torch._C.DisableTorchFunction():
            largest = x.abs().max()
        record = []
        for _ in range(STEPS):
            spk1, mem1 = net.lif1(net.fc1(x) + largest, mem1)
            record.append(spk1)
        return torch.stack(record)

    with pytest.raises(UnsupportedError, match="in another way on random input than on zeros"):
        float_net(dyadic(Base(forward)), ConvertOptions(input_shape=(4,)))


@pytest.mark.parametrize(
    ("made", "mode"),
    [
        (torch.stack, ReadoutMode.SUM),
        (lambda record: sum(record) / STEPS, ReadoutMode.SUM),
        (lambda record: torch.stack(record).max(0).values, ReadoutMode.MAX),
        (lambda record: record[-1], ReadoutMode.LAST),
    ],
)
def test_answers_of_a_layer_without_neurons(made: Any, mode: ReadoutMode) -> None:
    def forward(net: Any, x: Any) -> Any:
        mem1 = net.lif1.reset_mem()
        record = []
        for _ in range(STEPS):
            spk1, mem1 = net.lif1(net.fc1(x), mem1)
            record.append(net.fc2(spk1))
        return made(record)

    net = float_net(dyadic(Base(forward)), ConvertOptions(input_shape=(4,)))
    assert net.nodes[-1].inputs == ("fc2",)
    assert net.nodes[-1].op.mode is mode  # type: ignore[union-attr]


def test_what_was_assumed_and_lost_is_told() -> None:
    module = dyadic(
        Base(over_steps(lambda spikes, potentials: sum(spikes) / STEPS, lambda x, t: x))
    )
    samples = np.random.default_rng(0).integers(0, 16, (8, 4))
    options = ConvertOptions(
        input_shape=(4,),
        input_range=(0, 15),
        input_scale=1 / 16,
        calibrate=samples,
        labels=np.zeros(8, np.int64),
    )
    found = conversion(module, options)
    assert found.quantised is not None
    assert [layer.different for layer in found.quantised.layers] == [0, 0]
    assert found.quantised.accuracy_before == found.quantised.accuracy_after
    assert any("mean" in sentence for sentence in found.assumed)
