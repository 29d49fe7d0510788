"""ONNX Runtime, which computes a file's values to compare them with what was made of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgespike.converters.onnx.loading import shown_line
from edgespike.errors import UnsupportedError
from edgespike.extras import needs_extra

if TYPE_CHECKING:
    import onnxruntime

_SILENT = 4
"""The level of logging at which nothing is printed but what ends the process; errors are raised."""


def session_options() -> onnxruntime.SessionOptions:
    """Return options for one thread and no output.

    Raises
    ------
    EnvironmentMissingError
        onnxruntime is not installed.
    """
    with needs_extra("onnx", "running an ONNX file"):
        import onnxruntime
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _SILENT
    options.intra_op_num_threads = 1
    return options


def run_one_by_one(
    model: Any,
    path: Path,
    given: Mapping[str, NDArray[Any]],
    names: Collection[str],
    options: onnxruntime.SessionOptions,
) -> dict[str, NDArray[Any]]:
    """Return outputs of a model by name, each ``(samples, *shape)`` with its batch of 1.

    Parameters
    ----------
    model
        The ``ModelProto``.
    path
        The file that it was read from, for errors.
    given
        Its inputs, ``(samples, *shape)`` without the batch.
    names
        Which of its outputs are returned.

    Raises
    ------
    UnsupportedError
        ONNX Runtime does not run it.
    """
    import onnxruntime

    content, wanted = model.SerializeToString(), list(names)
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        found = [
            session.run(
                wanted, {name: sample[None] for name, sample in zip(given, each, strict=True)}
            )
            for each in zip(*given.values(), strict=True)
        ]
    # Its errors have no common class.
    except Exception as error:
        raise UnsupportedError(
            "model cannot be compared with its source",
            [f"ONNX Runtime does not run {path} ({shown_line(error)}); leave --check out"],
        ) from error
    return dict(zip(wanted, map(np.stack, zip(*found, strict=True)), strict=True))
