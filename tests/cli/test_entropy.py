"""``edgespike entropy``: its output, and files that do not hold a mixture."""

from __future__ import annotations

import io
import math
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgespike.bayes.mixture import GaussianMixture, read_mixture
from edgespike.errors import FileFormatError
from tests.bayes.mixtures import KINDS, integrated_entropy, random_mixture
from tests.cli.conftest import Cli

GOOD: dict[str, Any] = {
    "weights": np.array([0.25, 0.75]),
    "means": np.zeros((2, 3)),
    "covariances": np.ones(2),
}


def save(folder: Path, mixture: GaussianMixture) -> Path:
    path = folder / "mixture.npz"
    np.savez(path, weights=mixture.weights, means=mixture.means, covariances=mixture.covariances)
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spread", [0.5, 5.0])
def test_the_answer_holds_for_the_true_entropy(
    cli: Cli, tmp_path: Path, kind: str, spread: float
) -> None:
    mixture = random_mixture(kind, 3, 1, spread)
    answer = cli("entropy", save(tmp_path, mixture), "--json").json
    error = answer["entropy"] - integrated_entropy(mixture, 20_001)
    assert answer["error_lower"] - 1e-9 <= error <= answer["error_upper"] + 1e-9
    allowed = 4 * answer["error_estimate_standard_error"]
    assert answer["error_estimate"] == pytest.approx(error, abs=allowed + 1e-9)
    assert answer["alpha_min"] == answer["closest"]["alpha"] > 0
    trusted = answer["trusted"]
    off = {"sampled": 4}.get(trusted["method"], 1) * trusted["uncertainty"]
    assert trusted["entropy"] == pytest.approx(answer["entropy"] - error, abs=off + 1e-9)
    assert answer["approximations"]["approximate_entropy"] == answer["entropy"]


def test_the_bound_by_separation_is_left_out_where_it_is_vacuous(cli: Cli, tmp_path: Path) -> None:
    path = save(tmp_path, random_mixture("isotropic", 2, 10))
    answer = cli("entropy", path, "--json").json
    assert answer["error_upper_separation"] is None
    assert answer["closest"]["best_s"] is None
    assert "it needs alpha^2 > m = 10 for all pairs" in cli("entropy", path).stdout
    path = save(tmp_path, random_mixture("isotropic", 2, 10, spread=12))
    answer = cli("entropy", path, "--json").json
    assert 0 < answer["error_upper"] < answer["error_upper_separation"] < 1e-10
    assert answer["closest"]["best_s"] == pytest.approx(1 - 10 / answer["alpha_min"] ** 2)


def test_one_component_is_exact(cli: Cli, tmp_path: Path) -> None:
    path = save(tmp_path, GaussianMixture(np.ones(1), np.zeros((1, 2)), np.ones(1)))
    answer = cli("entropy", path, "--json").json
    assert answer["entropy"] == pytest.approx(1 + math.log(2 * math.pi))
    names = ("error_upper", "error_lower", "error_estimate", "error_estimate_standard_error")
    assert [answer[name] for name in names] == [0, 0, 0, 0]
    assert answer["alpha_min"] is None
    assert answer["trusted"]["entropy"] == answer["entropy"]
    assert "exact for one component" in cli("entropy", path).stdout


def test_coinciding_components_are_named_and_exact(cli: Cli, tmp_path: Path) -> None:
    np.savez(tmp_path / "mixture.npz", **GOOD)
    path = tmp_path / "mixture.npz"
    answer = cli("entropy", path, "--json").json
    exact = -0.25 * math.log(0.25) - 0.75 * math.log(0.75)
    for name in ("error_upper", "error_lower", "error_estimate"):
        assert answer[name] == pytest.approx(exact, abs=1e-12)
    assert answer["coinciding"] == [[0, 1]]
    assert answer["trusted"]["method"] == "bounds"
    assert "Coinciding components: 0 and 1" in cli("entropy", path).stdout


def test_people_get_every_approximation_and_what_to_trust(cli: Cli, tmp_path: Path) -> None:
    path = save(tmp_path, random_mixture("full", 3, 4))
    printed = cli("entropy", path, "--samples", "500", "--seed", "3").stdout
    for name in ("huber_2", "kolchinsky_tracey_upper", "by 500 samples", "Recommended: sampled"):
        assert name in printed


def test_integers_and_compressed_files_are_read(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "mixture.npz"
    np.savez_compressed(path, **(GOOD | {"means": np.asfortranarray([[0, 1, 2], [3, 4, 5]])}))
    plain = GOOD | {"means": np.array([[0.0, 1, 2], [3, 4, 5]])}
    first = cli("entropy", path, "--json").json
    np.savez(path, **plain)
    assert cli("entropy", path, "--json").json == first


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"weights": np.array([0.25, 0.25])}, ["weights sum to 0.5"]),
        ({"weights": np.array([0.0, 1.0])}, ["weights[0] = 0"]),
        ({"means": np.full((2, 3), np.inf)}, ["means[0, 0] = inf"]),
        ({"covariances": np.ones((2, 3, 3))}, ["covariances[0] is singular"]),
        ({"covariances": np.ones((3, 3))}, ["covariances have the shape (3, 3)"]),
        ({"means": np.zeros((1, 2, 3))}, ["(1, 2, 3)", "one mixture"]),
        ({"means": np.zeros((2, 3)).astype(object)}, ["means in", "pickle"]),
        ({"means": np.zeros((2, 3), complex)}, ["means in", "complex128"]),
        ({"weights": np.array(["a", "b"])}, ["weights in", "<U1"]),
    ],
)
def test_arrays_that_are_no_mixture(
    cli: Cli, tmp_path: Path, changes: dict[str, Any], named: list[str]
) -> None:
    np.savez(tmp_path / "bad.npz", **(GOOD | changes))
    refused(cli, tmp_path / "bad.npz", *named)


def refused(cli: Cli, path: Path, *named: str) -> None:
    result = cli("entropy", path, "--json")
    assert result.code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert [part for part in named if part not in result.stderr] == []


def test_files_that_are_no_archive_of_arrays(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    refused(cli, path, "No such file")
    refused(cli, tmp_path, "not a regular file")
    path.write_bytes(b"")
    refused(cli, path, "is not an .npz file")
    np.savez(path, weights=np.ones(1), mean=np.ones((1, 1)))
    refused(cli, path, "lacks means, covariances", "mean.npy")
    with path.open("wb") as file:
        np.save(file, np.ones(3))
    refused(cli, path, "is not an .npz file")
    with zipfile.ZipFile(path, "w") as archive:
        for name in GOOD:
            archive.writestr(f"{name}.npy", b"nothing")
    refused(cli, path, "weights in", "header is damaged")


def test_a_header_that_declares_more_than_there_is(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name in GOOD:
            content = io.BytesIO()
            header = {"descr": "<f8", "fortran_order": False, "shape": (10**15,)}
            np.lib.format.write_array_header_1_0(content, header)
            archive.writestr(f"{name}.npy", content.getvalue() + bytes(16))
    refused(cli, path, "declares float64 of shape (1000000000000000,)", "holds 16")


LARGE = """
import resource, sys
from edgespike.bayes.mixture import read_mixture
from edgespike.errors import FileFormatError

before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_mixture(sys.argv[1])
except FileFormatError as error:
    print(error)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_small_file_that_declares_much_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, shape in (("weights", (1,)), ("means", (1, 2**13)), ("covariances", (1, 2**26))):
            with archive.open(f"{name}.npy", "w") as file:
                header = {"descr": "|i1", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                for _ in range(0, math.prod(shape), 2**20):
                    file.write(bytes(min(math.prod(shape), 2**20)))
    assert path.stat().st_size < 10**5
    message = refused_cheaply(path)
    assert f"{path} declares 67,117,057 values, the limit is 16,777,216; use fewer" in message


def test_a_header_of_any_length_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in GOOD:
            with archive.open(f"{name}.npy", "w") as file:
                file.write(b"\x93NUMPY\x02\x00" + (2**27).to_bytes(4, "little"))
                for _ in range(2**7):
                    file.write(b" " * 2**20)
    assert "its header is damaged" in refused_cheaply(path)


def refused_cheaply(path: Path) -> str:
    """Return the message of an error that was raised without taking much memory."""
    message, grown = subprocess.run(
        [sys.executable, "-c", LARGE, path], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert int(grown) < 50
    return message


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [
        ("FILE_LIMIT", 100, r"good.npz has \d+ bytes, the limit is 100; use fewer components"),
        ("ENTRIES_LIMIT", 2, r"good.npz has 3 entries, the limit is 2; save it again"),
        ("VALUES_LIMIT", 9, r"good.npz declares 10 values, the limit is 9; use fewer components"),
        ("COMPONENTS_LIMIT", 1, r"good.npz declares 2 components, the limit is 1; use fewer"),
    ],
)
def test_limits_of_a_file_are_exact(
    tmp_path: Path, limit: str, value: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "good.npz"
    np.savez(path, **GOOD)
    read_mixture(path)
    monkeypatch.setattr(f"edgespike.bayes.mixture.files.{limit}", value)
    with pytest.raises(FileFormatError, match=message):
        read_mixture(path)
    if limit != "FILE_LIMIT":
        monkeypatch.setattr(f"edgespike.bayes.mixture.files.{limit}", value + 1)
        read_mixture(path)


def test_a_table_of_contents_is_counted_across_chunks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bad.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for place in range(1001):
            archive.writestr(f"{place}", b"")
    monkeypatch.setattr("edgespike.bayes.mixture.files._CHUNK", 7)
    with pytest.raises(FileFormatError, match="has 1,001 entries, the limit is 1,000; save it"):
        read_mixture(path)


def test_a_compression_that_may_take_any_memory_is_refused(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in GOOD.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, np.asarray(array))
    refused(cli, path, "weights in", "is compressed by a method numpy does not use; save it again")


def test_truncated_and_changed_files(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "good.npz"
    np.savez(path, **GOOD)
    content = path.read_bytes()
    bad = tmp_path / "bad.npz"
    for size in range(0, len(content), 37):
        bad.write_bytes(content[:size])
        refused(cli, bad, "is not an .npz file, or is truncated")
    place = content.index(np.float64(0.75).tobytes())
    bad.write_bytes(content[:place] + b"\x01" + content[place + 1 :])
    refused(cli, bad, "Bad CRC-32")


def test_no_torch_is_imported(tmp_path: Path) -> None:
    path = save(tmp_path, random_mixture("diagonal", 2, 3))
    code = (
        "import sys; sys.argv = ['edgespike', 'entropy', sys.argv[1]]\n"
        "from edgespike.cli import main\n"
        "try: main()\n"
        "finally: assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, capture_output=True)
