"""The command nir: graphs as NIR files."""

from __future__ import annotations

from pathlib import Path

import pytest

import edgespike
from tests.cli.conftest import Cli

pytest.importorskip("h5py")

from tests.converters.nir.test_writing import ABOVE, net


def test_on_the_command_line(cli: Cli, tmp_path: Path) -> None:
    graph, out = tmp_path / "graph.safetensors", tmp_path / "net.nir"
    edgespike.save(net(decay=410, **ABOVE), graph)
    refused = cli("nir", str(graph), "--for", "norse", "-o", str(out))
    assert refused.code == 2
    assert "lif.1 resets by 'subtract', but norse reads" in refused.stderr
    assert not out.exists()
    done = cli("nir", str(graph), "--for", "norse", "--metadata", "-o", str(out))
    assert done.code == 0
    assert "norse does not compute this: lif.1 resets by" in done.stderr
    assert edgespike.load(out).hash == net(decay=410, **ABOVE).hash
