"""What a message says about how to install what is missing."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from edgespike import extras
from edgespike.errors import EnvironmentMissingError


def test_in_the_source_tree_the_extra_is_installed_from_it() -> None:
    command = extras.install_command("onnx")
    assert command == "pip install -c constraints.txt -e '.[onnx]' in edgespike's source folder"


def test_elsewhere_the_packages_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = [
        "numpy>=1.26",
        'onnx>=1.17; extra == "onnx"',
        "onnxruntime>=1.20; python_version > '3' and extra == 'onnx'",
        'onnxscript>=0.5; extra == "onnx-more"',
    ]
    monkeypatch.setattr(metadata, "requires", lambda name: lines)
    monkeypatch.setattr(extras, "__file__", str(tmp_path / "edgespike" / "extras.py"))
    assert extras.install_command("onnx") == "pip install 'onnx>=1.17' 'onnxruntime>=1.20'"


def test_the_message_of_a_missing_package_names_it() -> None:
    with (
        pytest.raises(
            EnvironmentMissingError, match=r"the page needs the package 'nonesuch'; run "
        ),
        extras.needs_extra("report", "the page"),
    ):
        import nonesuch  # type: ignore[import-not-found]  # noqa: F401
