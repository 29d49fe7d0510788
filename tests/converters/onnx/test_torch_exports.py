"""Files that torch exports, with either exporter, for a batch of one and of any size."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import pytest

from tests.converters.onnx.nets import compare, reading

torch = pytest.importorskip("torch", reason="exports need torch: pip install -e '.[train]'")
pytest.importorskip("onnxscript", reason="torch's exporter needs onnxscript")
pytestmark = pytest.mark.torch

nn, functional = torch.nn, torch.nn.functional


class Residual(nn.Module):  # type: ignore[misc, name-defined]
    """A block of ResNet."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm = nn.BatchNorm2d(after)
        self.second = nn.Conv2d(after, after, 3, 1, 1)
        self.short = nn.Conv2d(before, after, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: Any) -> Any:
        """Return the block's values."""
        inner = self.second(functional.relu(self.norm(self.first(x))))
        return functional.relu(inner + self.short(x))


class Views(nn.Module):  # type: ignore[misc, name-defined]
    """A net that computes shapes, joins branches, and normalises its input."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(2, 4, 1)
        self.out = nn.Linear(7 * 12, 5, bias=False)
        self.register_buffer("mean", torch.tensor([0.1, -0.2])[:, None, None])

    def forward(self, x: Any) -> Any:
        """Return the classes' logits."""
        x = (x - self.mean) / 0.5
        both = torch.cat(
            [functional.hardtanh(self.left(x), 0, 1.5), functional.relu(self.right(x))], 1
        )
        both = functional.pad(both, (1, 0, 0, 1))
        pooled = functional.avg_pool2d(both, 2)
        return self.out(pooled.view(pooled.size(0), -1)).softmax(-1)


def nets() -> dict[str, tuple[Any, tuple[int, ...]]]:
    """Return modules and the shapes of their samples."""
    torch.manual_seed(0)
    stem = (nn.Conv2d(3, 6, 3, 1, 1), nn.BatchNorm2d(6), nn.ReLU())
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    depthwise = (nn.Conv2d(6, 6, 3, 2, 1, groups=6, bias=False), nn.BatchNorm2d(6), nn.ReLU6())
    return {
        "residual": (
            nn.Sequential(*stem, Residual(6, 6, 1), Residual(6, 8, 2), *head),
            (3, 8, 8),
        ),
        "depthwise": (
            nn.Sequential(*stem, *depthwise, nn.Conv2d(6, 8, 1), nn.Dropout(), *head),
            (3, 8, 8),
        ),
        "length": (
            nn.Sequential(
                *(nn.Conv1d(4, 6, 5, 2, 2), nn.BatchNorm1d(6), nn.ReLU(), nn.MaxPool1d(2)),
                *(nn.Flatten(), nn.Linear(24, 5), nn.LogSoftmax(1)),
            ),
            (4, 16),
        ),
        "features": (
            nn.Sequential(nn.Linear(9, 7), nn.BatchNorm1d(7), nn.Hardtanh(0, 2), nn.Linear(7, 3)),
            (9,),
        ),
        "views": (Views(), (2, 6, 7)),
    }


@pytest.mark.parametrize("any_batch", [False, True], ids=["one", "any"])
@pytest.mark.parametrize("dynamo", [False, True], ids=["torchscript", "dynamo"])
@pytest.mark.parametrize("name", ["residual", "depthwise", "length", "features", "views"])
def test_values_are_those_of_onnx_runtime(
    name: str, dynamo: bool, any_batch: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    net, shape = nets()[name]
    with torch.no_grad():
        for part in net.modules():
            if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
                part.running_mean.normal_()
                part.running_var.uniform_(0.5, 2)
                part.weight.normal_()
                part.bias.normal_()
    options: dict[str, Any] = {}
    if any_batch and dynamo:
        options = {"dynamic_shapes": ({0: "batch"},)}
    elif any_batch:
        options = {"dynamic_axes": {"x": {0: "batch"}}}
    if not dynamo:
        options["input_names"] = ["x"]
    path = tmp_path / "net.onnx"
    example = (torch.zeros(2 if any_batch else 1, *shape),)
    caplog.set_level(logging.ERROR)  # the exporter lists what it has no packages for
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # and deprecates parts of itself
        torch.onnx.export(net.eval(), example, path, dynamo=dynamo, verbose=False, **options)
    read = reading(path)
    assert len(compare(read)) >= 4
