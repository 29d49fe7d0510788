"""The measurements of a run as event files, which TensorBoard shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from edgespike.data.own.parts import PART_NAMES
from edgespike.errors import EnvironmentMissingError


def check_tensorboard() -> None:
    """Raise EnvironmentMissingError if TensorBoard is not installed."""
    if find_spec("tensorboard") is None:
        raise EnvironmentMissingError(
            "event files need the package 'tensorboard'; run pip install -c constraints.txt "
            "tensorboard, or train without --tensorboard"
        )


@contextmanager
def writer_for(
    folder: Path, epochs: int, wanted: bool
) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Yield a function that writes the measurements of an epoch; it does nothing if not wanted.

    Parameters
    ----------
    folder
        For the event files.
    epochs
        Number of epochs that are done; TensorBoard drops what it has of later ones.
    """
    if not wanted:
        yield lambda measured: None
        return
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder), purge_step=epochs + 1) as writer:

        def write(measured: Mapping[str, Any]) -> None:
            for name, value in measured.items():
                if isinstance(value, int | float) and name != "epoch":
                    part, _, what = name.partition("_")
                    grouped = f"{what}/{part}" if part in PART_NAMES else name
                    writer.add_scalar(grouped, value, measured["epoch"])
            writer.flush()

        yield write
