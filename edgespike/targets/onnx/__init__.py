"""The ONNX target: one exact integer model for ONNX Runtime."""

from __future__ import annotations

from edgespike.targets.base import Runtime, Target
from edgespike.targets.onnx.check import violations
from edgespike.targets.onnx.run import prepare, version

__all__ = ["TARGET"]

TARGET = Target(
    name="onnx",
    violations=violations,
    write=lambda graph, folder: None,
    runtimes=(
        Runtime(
            name="onnx",
            summary="an integer ONNX model on ONNX Runtime's processor kernels",
            version=version,
            prepare=prepare,
        ),
    ),
)
