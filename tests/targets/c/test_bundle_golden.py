"""Every file of a tiny network's bundle is, letter for letter, the one that was reviewed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgespike.targets.c.bundle.templates import template
from tests.targets.c.bundles import build_check, run
from tests.targets.c.golden import COPIED, FOLDER, contents, write


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("tiny") / "tiny")


def test_there_are_the_same_files(written: Path) -> None:
    assert contents(written).keys() == contents(FOLDER).keys()


@pytest.mark.parametrize("name", contents(FOLDER))
def test_a_file_is_as_it_was_reviewed(written: Path, name: str) -> None:
    """After a change that is meant: ``python -m tests.targets.c.golden``, and a look at it."""
    assert contents(written)[name] == contents(FOLDER)[name]


@pytest.mark.parametrize("name", COPIED)
def test_the_others_are_templates(written: Path, name: str) -> None:
    assert (written / name).read_text() == template(Path(name).name)


def test_what_was_reviewed_runs(written: Path) -> None:
    assert re.match(r"ok: (\d+) of \1 samples", run(build_check(written), cwd=written))
