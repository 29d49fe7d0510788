"""Each primitive computes what NIR 1.0.8 says, with PyTorch or plain numpy as the oracle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgespike.errors import UnsupportedError
from tests.converters.nir.files import affine, lif, read, row, values_of, write

RNG = np.random.default_rng(0)
DT = 0.001


def value(tmp_path: Path, samples: NDArray[Any], *nodes: Any, **options: Any) -> NDArray[Any]:
    """Return what the last node gives, ``(samples, steps, *shape)``."""
    path = write(tmp_path / "net.nir", *row(samples.shape[2:], *nodes))
    net = read(path, steps=samples.shape[1], **{"dt": DT, "reset": "zero", **options})
    return values_of(net, samples)[net.nodes[-1].inputs[0]]


def draw(*shape: int) -> NDArray[Any]:
    return RNG.integers(-3, 4, shape).astype(np.float64)


@pytest.mark.torch
@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"),
    [
        (1, 0, 1, 1),
        (2, 1, 1, 2),
        (1, "same", 2, 1),
        (1, "valid", 1, 1),
        ([2, 1], [0, 2], [1, 2], 1),
    ],
)
def test_conv2d(stride: Any, padding: Any, dilation: Any, groups: int, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    x, weight, bias = draw(2, 1, 4, 7, 6), draw(6, 4 // groups, 3, 2), draw(6)
    node = {
        "type": "Conv2d", "weight": weight, "bias": bias, "stride": stride, "padding": padding,
        "dilation": dilation, "groups": groups,
    }  # fmt: skip
    stride, padding, dilation = (
        tuple(v) if isinstance(v, list) else v for v in (stride, padding, dilation)
    )
    expected = torch.nn.functional.conv2d(
        *map(torch.from_numpy, (x[:, 0], weight, bias)), stride, padding, dilation, groups
    )
    assert (value(tmp_path, x, node)[:, 0] == expected.numpy()).all()


@pytest.mark.torch
@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1), (1, "same")])
def test_conv1d(stride: int, padding: Any, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    x, weight = draw(2, 1, 3, 9), draw(4, 3, 5)
    node = {"type": "Conv1d", "weight": weight, "stride": stride, "padding": padding}
    node |= {"dilation": 1, "groups": 1, "bias": np.zeros(4)}
    expected = torch.nn.functional.conv1d(
        torch.from_numpy(x[:, 0]), torch.from_numpy(weight), None, stride, padding
    )
    path = write(tmp_path / "net.nir", *row((3, 9), node))
    net = read(path, steps=1)
    found = values_of(net, x[:, :, :, None])  # the length is carried as a width
    assert (found["n0"][:, 0, :, 0] == expected.numpy()).all()


@pytest.mark.torch
@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), ([3, 2], [1, 2], [1, 0])])
@pytest.mark.parametrize("kind", ["SumPool2d", "AvgPool2d"])
def test_pools(kind: str, kernel: Any, stride: Any, padding: Any, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    x = draw(2, 1, 3, 6, 6)
    node = {"type": kind, "kernel_size": kernel, "stride": stride, "padding": padding}
    expected = torch.nn.functional.avg_pool2d(torch.from_numpy(x[:, 0]), kernel, stride, padding)
    size = np.prod(np.broadcast_to(kernel, 2)) if kind == "SumPool2d" else 1
    np.testing.assert_allclose(value(tmp_path, x, node)[:, 0], expected.numpy() * size, atol=1e-12)


@pytest.mark.parametrize(
    ("start", "end", "shape"),
    [(0, -1, (24,)), (-3, 2, (24,)), (1, 2, (2, 1, 12)), (1, 1, (2, 3, 4))],
)
def test_flatten_counts_no_batch(
    start: int, end: int, shape: tuple[int, ...], tmp_path: Path
) -> None:
    x = draw(2, 1, 2, 3, 4)
    node = {"type": "Flatten", "start_dim": start, "end_dim": end}
    assert (value(tmp_path, x, node) == x.reshape(2, 1, *shape)).all()


def test_scale(tmp_path: Path) -> None:
    x = draw(2, 1, 3)
    assert (value(tmp_path, x, {"type": "Scale", "scale": [1, 2, -3]}) == x * [1, 2, -3]).all()


def test_threshold_is_one_above(tmp_path: Path) -> None:
    x = draw(5, 2, 3)
    found = value(tmp_path, x, {"type": "Threshold", "threshold": [1.0, 0.0, -2.0]})
    assert (found == (x > [1, 0, -2])).all()


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_delay(steps: int, tmp_path: Path) -> None:
    x = draw(2, 6, 3)
    found = value(tmp_path, x, {"type": "Delay", "delay": np.full(3, steps * DT)})
    expected = np.zeros_like(x)
    expected[:, steps:] = x[:, : x.shape[1] - steps]
    assert (found == expected).all()


def test_a_delay_of_half_a_step_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UnsupportedError, match=r"delays by 0.0015 s, which is 1.5 steps of 0.001 s"
    ):
        value(tmp_path, draw(1, 1, 3), {"type": "Delay", "delay": np.full(3, 1.5 * DT)})


def euler(x: NDArray[Any], node: dict[str, Any], dt: float) -> NDArray[Any]:
    """Simulate NIR's equations by Euler's method: the spikes, or else the potentials."""
    kind = node["type"]

    def get(name: str, default: float = 0.0) -> NDArray[Any]:
        return np.asarray(node.get(name, default))

    current = np.zeros_like(x[:, 0])
    v = np.broadcast_to(get("v_reset"), current.shape).copy()
    values = []
    for t in range(x.shape[1]):
        arriving = x[:, t]
        if "Cuba" in kind:
            current = current + dt / get("tau_syn") * (get("w_in", 1.0) * x[:, t] - current)
            arriving = current
        if kind in ("I", "IF"):
            v = v + dt * get("r") * arriving
        else:
            tau = get("tau_mem") if "Cuba" in kind else get("tau")
            v = v + dt / tau * (get("v_leak") - v + get("r") * arriving)
        fires = v > get("v_threshold", np.inf)
        values.append(fires * 1.0 if kind.endswith("F") else v)
        v = np.where(fires, get("v_reset"), v)
    return np.stack(values, 1)


EACH = np.array([0.5, 1.0, 2.0])
FIRING = {"v_threshold": EACH, "v_reset": np.array([0.0, 0.25, -0.5])}
NEURONS: list[dict[str, Any]] = [
    {"type": "LIF", "tau": EACH / 64, "r": EACH * 8, "v_leak": EACH / 4, **FIRING},
    {"type": "IF", "r": EACH * 256, **FIRING},
    {"type": "LI", "tau": EACH / 64, "r": EACH * 8, "v_leak": EACH / 4},
    {"type": "I", "r": EACH * 256},
    {
        "type": "CubaLIF", "tau_mem": EACH / 64, "tau_syn": EACH / 32, "r": EACH * 16,
        "v_leak": EACH / 8, "w_in": EACH * 2, **FIRING,
    },
    {
        "type": "CubaLI", "tau_mem": EACH / 64, "tau_syn": EACH / 32, "r": EACH * 16,
        "v_leak": EACH / 8, "w_in": EACH * 2,
    },
]  # fmt: skip


@pytest.mark.parametrize("node", NEURONS, ids=lambda node: node["type"])
def test_neurons_take_euler_steps_with_arrays_of_their_own(
    node: dict[str, Any], tmp_path: Path
) -> None:
    x = RNG.integers(-2, 4, (20, 30, 3)).astype(np.float64)
    found, expected = value(tmp_path, x, node, dt=1 / 256), euler(x, node, 1 / 256)
    assert expected.any()
    if node["type"].endswith("F"):
        assert (found == expected).all()
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_parameters_of_a_convolution_s_neurons_may_be_of_channels_or_neurons(
    tmp_path: Path,
) -> None:
    x = RNG.integers(-2, 4, (4, 10, 2, 3, 3)).astype(np.float64)
    thresholds = RNG.uniform(0.5, 2, (2, 3, 3))
    for theta in (thresholds, thresholds[:, :1, :1], np.float64(1.5)):
        node = {"type": "LIF", "tau": np.full((2, 3, 3), 4 * DT), "r": 4.0, "v_leak": 0.0}
        node |= {"v_threshold": theta, "v_reset": 0.0}
        assert (value(tmp_path, x, node) == euler(x, node, DT)).all()


def test_a_file_of_nir_before_1_0_6_has_no_v_reset(tmp_path: Path) -> None:
    node = {k: v for k, v in lif(2).items() if k != "v_reset"}
    path = write(tmp_path / "net.nir", *row((2,), affine(np.eye(2)), node), version="0.2.0")
    x = np.full((1, 10, 2), 0.75)
    both = [values_of(read(path, reset=reset), x)["n1"] for reset in ("zero", "subtract")]
    assert (both[0] != both[1]).any()
