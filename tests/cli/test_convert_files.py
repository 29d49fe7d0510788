"""``edgespike convert`` of files of other tools says what it found, and compares them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgespike.models import shipped_images, shipped_model
from tests.cli.conftest import Cli

pytest.importorskip("h5py")

from edgespike.targets.loihi.netx import netx_bytes


@pytest.mark.parametrize("wrong", [False, True])
def test_a_file_of_whole_numbers_is_compared_with_its_graph(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.net").write_bytes(netx_bytes(shipped_model("fashion_s3nn")))
    np.save("x.npy", shipped_images("fashion_s3nn")[0][:2])
    if wrong:
        from edgespike.converters.lava_dl import agreement

        simulated = agreement.Simulation.run
        monkeypatch.setattr(
            agreement.Simulation,
            "run",
            lambda self, x: {
                path: agreement.Record(1 - record.spikes, record.potentials)
                for path, record in simulated(self, x).items()
            },
        )
    arguments = ("convert", "a.net", "-o", "g.safetensors", "--force", "--input-range", "0,255")
    result = cli(*arguments, "--check", "x.npy")
    assert result.code == wrong
    lines = result.stdout.splitlines()
    assert lines[0] == "a.net: lava-dl, network exchange files of lava-dl (.net)"
    assert any(line.startswith("  layer/1: conv") for line in lines)
    assert any("the answer is the potential of the last layer" in line for line in lines)
    assert any(line.split()[:2] == ["layer/1", "spikes1"] for line in lines)
    assert Path("g.safetensors").exists() != wrong
    assert ("nothing written" in lines[-1]) == wrong
