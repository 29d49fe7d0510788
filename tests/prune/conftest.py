"""What needs torch is tested where it is installed."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") else ["test_torch_*.py"]

if find_spec("torch"):
    import torch

    # Threads of competing processes slow each other down.
    torch.set_num_threads(1)
