"""The training side is tested where torch is installed."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") else ["*test_*.py"]  # in all folders below

if find_spec("torch"):
    import torch

    # Threads of competing processes slow each other down.
    torch.set_num_threads(1)
