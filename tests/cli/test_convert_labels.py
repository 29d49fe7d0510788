"""``convert`` gives a graph names of its classes and the scaling of its input."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgespike.graph import Scaling, load_graph
from tests.cli.conftest import Cli
from tests.cli.test_bad_input import refused


@pytest.mark.parametrize("text", ["a, b c ,d", "file"])
def test_names_are_a_list_or_a_file(cli: Cli, graph_file: Path, tmp_path: Path, text: str) -> None:
    names = tmp_path / "names of classes"
    names.write_bytes("\ufeffa\r\nb c\r\nd\r\n\r\n".encode())
    out = tmp_path / "named.safetensors"
    given = names if text == "file" else text
    result = cli("convert", graph_file, "--class-names", given, "-o", out)
    assert result.code == 0
    assert load_graph(out).class_names == ("a", "b c", "d")
    assert "named a, b c, d\n" in result.stdout


def test_mean_and_standard_deviation_become_the_scaling(
    cli: Cli, graph_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "scaled.safetensors"
    arguments = ("convert", graph_file, "--mean", "0.5", "--std", "3", "-o", out)
    shown = cli(*arguments).stdout
    assert load_graph(out).scaling == Scaling((0.5,), (3 * (1 / 15),))
    assert "measured numbers x enter as (x - offset) / step, offset 0.5, step 0.2" in shown
    found = cli(*arguments, "--force", "--json").json["found"]
    assert found["scaling"] == {"offset": [0.5], "step": [3 * (1 / 15)]}
    assert found["class_names"] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--class-names", "a,b"), "there are 2 class names, and the model has 3 classes"),
        (("--class-names", "a"), "there are 1 class names, and the model has 3 classes"),
        (("--class-names", "missing.txt"), "cannot read missing.txt: No such file"),
        (("--class-names", "."), "cannot read .: not a regular file"),
        (("--class-names", "a,,c"), "class name '' must be 1 to 100 printable characters"),
        (("--mean", "a"), "--mean is 'a'; give numbers separated by commas"),
        (("--mean", "1,2"), "mean has 2 numbers; the input of shape (1, 6, 6) needs 1 or 1"),
        (("--std", "0"), "std holds 0; a standard deviation must be above 0"),
        (("--mean", "nan"), "mean is (nan,); give a tuple of finite numbers"),
    ],
)
def test_what_does_not_fit_is_refused(
    cli: Cli, graph_file: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    out = tmp_path / "new.safetensors"
    refused(cli("convert", graph_file, *options, "-o", out), message)
    assert not out.exists()


def test_a_file_that_holds_no_names(cli: Cli, graph_file: Path, tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_bytes(b"\xff\xfe")
    arguments = ("convert", graph_file, "-o", tmp_path / "o", "--class-names")
    refused(cli(*arguments, tmp_path / "names.txt"), "cannot read", "save it as UTF-8")
    (tmp_path / "names.txt").write_bytes(b"a\n" * 2**20)
    refused(cli(*arguments, tmp_path / "names.txt"), "has more than 1,048,576 bytes")


def test_an_older_graph_is_kept_unless_forced(cli: Cli, graph_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "older.safetensors"
    out.write_text("kept")
    arguments = ("convert", graph_file, "-o", out)
    refused(cli(*arguments), f"cannot write {out}: it exists", "--force")
    assert out.read_text() == "kept"
    assert cli(*arguments, "--force").code == 0
    assert load_graph(out) == load_graph(graph_file)
    refused(cli("convert", graph_file, "-o", graph_file, "--force"), "it is the input")
