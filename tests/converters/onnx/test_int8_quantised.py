"""Nets from torch that ONNX Runtime's own tools quantised."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from tests.converters.onnx.int8_models import checked, converted, differing  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


class Residual(nn.Module):
    """Two residual blocks, the second with a convolution in both branches."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.inner = nn.Sequential(
            nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 1)
        )
        self.left = nn.Conv2d(8, 12, 3, stride=2, padding=1)
        self.right = nn.Conv2d(8, 12, 1, stride=2)
        self.last = nn.Linear(12, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        x = torch.relu(x + self.inner(x))
        x = torch.relu(self.left(x) + self.right(x))
        answers: Tensor = self.last(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))
        return answers


class Branches(nn.Module):
    """Two branches side by side, of which one is rectified."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(2, 4, 1)
        self.joined, self.last = nn.Conv2d(8, 6, 3), nn.Linear(216, 5)

    def forward(self, x: Tensor) -> Tensor:
        joined = torch.cat([torch.relu(self.left(x)), self.right(x)], 1)
        answers: Tensor = self.last(torch.flatten(self.joined(joined), 1))
        return answers


def separable() -> nn.Module:
    """Depthwise and pointwise convolutions with ReLU6, as in MobileNet, and an average."""

    def block(inputs: int, outputs: int, stride: int) -> Iterator[nn.Module]:
        yield nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs)
        yield from (nn.BatchNorm2d(inputs), nn.ReLU6())
        yield nn.Conv2d(inputs, outputs, 1)
        yield from (nn.BatchNorm2d(outputs), nn.ReLU6())

    return nn.Sequential(
        nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU6(), *block(8, 12, 1), *block(12, 12, 2),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(48, 12),
    )  # fmt: skip


def plain() -> nn.Module:
    """Convolutions, max pools, dense layers and a softmax."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(72, 20), nn.ReLU(), nn.Linear(20, 10),
        nn.Softmax(1),
    )  # fmt: skip


def autoencoder() -> nn.Module:
    """Dense layers alone."""
    return nn.Sequential(
        nn.Linear(40, 30), nn.ReLU(), nn.Linear(30, 8), nn.ReLU(), nn.Linear(8, 40)
    )


@dataclass
class Calibration:
    """Samples for ONNX Runtime's tools."""

    shape: tuple[int, ...]
    left: list[NDArray[np.float32]] = field(default_factory=list)

    def __post_init__(self) -> None:
        draw = np.random.default_rng(1)
        self.left = [draw.normal(size=(1, *self.shape)).astype(np.float32) for _ in range(10)]

    def get_next(self) -> dict[str, Any] | None:
        """Return a sample."""
        return {"x": self.left.pop()} if self.left else None


NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "residual": (Residual, (3, 12, 12)),
    "branches": (Branches, (2, 8, 8)),
    "separable": (separable, (1, 16, 16)),
    "plain": (plain, (1, 16, 16)),
    "autoencoder": (autoencoder, (40,)),
}

FORMATS = {
    "QDQ, uint8": ("QDQ", "QUInt8", "QInt8", False),
    "QDQ, uint8, a scale for each channel": ("QDQ", "QUInt8", "QInt8", True),
    "QDQ, int8, a scale for each channel": ("QDQ", "QInt8", "QInt8", True),
    "QDQ, uint8 weights": ("QDQ", "QUInt8", "QUInt8", False),
    "QOperator, uint8": ("QOperator", "QUInt8", "QInt8", False),
    "QOperator, uint8, a scale for each channel": ("QOperator", "QUInt8", "QInt8", True),
    "QOperator, int8, a scale for each channel": ("QOperator", "QInt8", "QInt8", True),
}


@pytest.fixture(scope="module", params=NETS)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a float net's file, and the shape of its input."""
    make, shape = NETS[request.param]
    torch.manual_seed(0)
    net = make().eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(-1, 1.5)
    path = tmp_path_factory.mktemp(request.param) / "float.onnx"
    torch.onnx.export(
        net, (torch.zeros(1, *shape),), str(path), opset_version=17, input_names=["x"],
        dynamic_axes={"x": {0: "n"}}, dynamo=False,
    )  # fmt: skip
    return path, shape


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.filterwarnings("ignore")
def test_every_stored_tensor(exported: Any, kind: str, tmp_path: Path) -> None:
    """All are equal on ONNX Runtime's integer kernels; as written, all but a few in 100,000."""
    path, shape = exported
    written = _quantised(path, tmp_path / "net.onnx", shape, *FORMATS[kind])
    assert checked(written, 10) == 0
    if any("near a half" in each for each in converted(written).said):
        return  # an average in float32
    assert not any(differing(written, 10).values())
    wrong = sum(differing(written, 10, optimised=False).values())
    assert wrong <= (3 if kind.startswith("QDQ") else 0)


def _quantised(
    path: Path, written: Path, shape: tuple[int, ...], form: str, activations: str, weights: str,
    each: bool,
) -> Path:  # fmt: skip
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    logging.disable(logging.WARNING)  # it asks for a preparation that torch has done
    try:
        quantize_static(
            path,
            written,
            Calibration(shape),
            quant_format=QuantFormat[form],
            per_channel=each,
            activation_type=QuantType[activations],
            weight_type=QuantType[weights],
            reduce_range=weights == "QInt8",  # products fit without VNNI, too
        )
    finally:
        logging.disable(logging.NOTSET)
    return written
