"""Without torch or NeuroBench, the adapters say what to install."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from edgespike.adapters import neurobench_model, torch_module
from edgespike.errors import EnvironmentMissingError
from edgespike.graph import Graph
from tests.example_graphs import residual_graph


@pytest.mark.parametrize(
    ("adapt", "module", "package", "extra"),
    [
        (torch_module, "module", "torch", "train"),
        (neurobench_model, "neurobench.model", "neurobench", "bench"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(
    adapt: Callable[[Graph], Any],
    module: str,
    package: str,
    extra: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] == package or name.startswith("edgespike.adapters."):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(EnvironmentMissingError, match=rf"'{package}(\.\w+)?'; .*\[{extra}\]"):
        adapt(residual_graph())
