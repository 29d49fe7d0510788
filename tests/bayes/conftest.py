"""Posteriors over the weights of modules are tested where torch is installed."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("torch") else ["test_posterior*.py"]
