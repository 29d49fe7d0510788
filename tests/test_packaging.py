"""What is built for a package index: the wheel, a complete sdist, and a page that renders."""

from __future__ import annotations

import email
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from email.message import Message
from fnmatch import fnmatch
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent

ENGINE = "edgespike/targets/cpu/native/_engine.abi3.so"

needs_setuptools = pytest.mark.skipif(
    find_spec("setuptools") is None or find_spec("build") is None,
    reason="setuptools or build is not installed",
)
Build = Callable[..., tuple[Path, list[str]]]


@cache
def tracked() -> tuple[str, ...]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    return tuple(name for name in listed if name and (ROOT / name).exists())


def built_from_copy(kind: str, folder: Path, links: bool = True) -> Path:
    """Build one distribution in a copy, since setuptools leaves a build folder in the tree."""
    copy = folder / "tree"
    for name in tracked():
        source, place = ROOT / name, copy / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink() and links:
            place.symlink_to(source.readlink())
        elif source.is_symlink():  # what git writes on a system without links
            place.write_text(str(source.readlink()))
        else:
            place.write_bytes(source.read_bytes())
    subprocess.run(
        [sys.executable, "-m", "build", f"--{kind}", "--no-isolation", "-o", folder, copy],
        check=True,
        capture_output=True,
    )
    (found,) = (path for path in folder.iterdir() if path.is_file())
    return found


def contents(wheel: Path) -> set[str]:
    """Return the names of a wheel's files, without those that describe it."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Build one distribution; return its file and the names of what is tracked."""

    @cache
    def built(kind: str, links: bool = True) -> Path:
        return built_from_copy(kind, tmp_path_factory.mktemp(kind), links)

    return lambda kind, links=True: (built(kind, links), list(tracked()))


@pytest.fixture(scope="module")
def described(build: Build) -> Message:
    """The wheel's metadata."""
    wheel, _ = build("wheel")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


@pytest.mark.slow
@needs_setuptools
@pytest.mark.parametrize("links", [True, False], ids=["with links", "without links"])
def test_the_wheel_holds_every_file_of_the_package(build: Build, links: bool) -> None:
    wheel, names = build("wheel", links)
    ours = {name for name in names if name.startswith("edgespike/")}
    sources = {name for name in ours if "/csrc/" in name}
    assert contents(wheel) == ours - sources | {ENGINE}
    assert "edgespike/py.typed" in ours


@pytest.mark.slow
@needs_setuptools
def test_one_wheel_serves_all_pythons_from_3_10_on(build: Build) -> None:
    wheel, _ = build("wheel")
    assert re.fullmatch(r"edgespike-[\d.]+-cp310-abi3-linux_\w+\.whl", wheel.name)


@pytest.mark.slow
@needs_setuptools
@pytest.mark.parametrize(
    ("settings", "tags"),
    [
        ({"CC": "/bin/false"}, "cp310-abi3-linux_*"),
        ({"EDGESPIKE_WITHOUT_ENGINE": "1"}, "py3-none-any"),
    ],
    ids=["no compiler", "left out"],
)
def test_a_wheel_is_built_without_the_engine(
    settings: dict[str, str], tags: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    wheel = built_from_copy("wheel", tmp_path)
    assert fnmatch(wheel.name, f"edgespike-*-{tags}.whl")
    assert ENGINE not in contents(wheel)
    assert "edgespike/targets/cpu/native/library.py" in contents(wheel)


@pytest.mark.slow
@needs_setuptools
def test_the_sdist_holds_every_file_that_is_tracked(build: Build) -> None:
    sdist, names = build("sdist")
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    # The links of the top level are made again from the checkout only.
    assert set(names) - packed <= {"targets", "converters"}
    assert not [name for name in packed if "__pycache__" in name]


@pytest.mark.slow
@needs_setuptools
def test_the_page_on_an_index_renders_and_its_links_lead_somewhere(described: Message) -> None:
    renderer = pytest.importorskip("readme_renderer.markdown")
    pytest.importorskip("comrak", reason="readme-renderer[md] is not installed")
    text = str(described.get_payload())
    assert described["Description-Content-Type"] == "text/markdown"
    assert text.startswith("# edgespike\n")
    page = renderer.render(text)
    assert page is not None
    links = re.findall(r'(?:href|src)="([^"]*)"', page)
    assert links
    assert [link for link in links if not link.startswith(("https://", "#user-"))] == []
    assert "<table>" in page


@pytest.mark.slow
@needs_setuptools
def test_the_metadata_says_what_an_index_shows(described: Message) -> None:
    assert described["Name"] == "edgespike"
    assert described["License-Expression"] == "Apache-2.0"
    assert described.get_all("License-File") == ["LICENSE", "edgespike/models/NOTICE.txt"]
    assert described["Keywords"]
    pythons = [line.rpartition(" ")[2] for line in described.get_all("Classifier", [])]
    assert [each for each in pythons if each.startswith("3.")] == ["3.10", "3.11", "3.12", "3.13"]
    assert described.get_all("Project-URL") is None  # none is known


@needs_setuptools
def test_the_description_changes_nothing_but_relative_links() -> None:
    readme = (
        "# name\n\nSee [one](docs/one.md), [two](https://example.org/two) and [three](#there).\n\n"
        "![picture](docs/picture.svg)\n\n```\na = b[0](c)\n\nb[0](c)\n```\n\n"
        "`b[0](c)` and [`d`](d.md)\n\n    e = b[0](c)\n"
    )
    assert description(readme) == (
        "# name\n\nFiles and folders that this page names are those of the source "
        "distribution.\n\nSee one, [two](https://example.org/two) and three.\n\n"
        "```\na = b[0](c)\n\nb[0](c)\n```\n\n`b[0](c)` and `d`\n\n    e = b[0](c)\n"
    )


def description(readme: str) -> str:
    """Call the function of setup.py, without what it does when it runs."""
    names: dict[str, Any] = {}
    exec((ROOT / "setup.py").read_text().partition("\nsetup(")[0], names)
    found: str = names["description"](readme)
    return found


def required(lines: Iterable[str], extras: Iterable[str] = ()) -> Iterator[tuple[str, list[str]]]:
    """Yield the names that requirements need here, with the extras that they ask for."""
    for line in lines:
        wanted = Requirement(line)
        if wanted.marker is None or any(
            wanted.marker.evaluate({"extra": extra}) for extra in ("", *extras)
        ):
            yield canonicalize_name(wanted.name), sorted(wanted.extras)


def test_all_that_is_installed_with_edgespike_is_pinned() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [name for name, _ in required(line for line in lines if line and line[0] != "#")]
    assert len(pins) == len(set(pins)), "something has two pins on this Python"
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    extras = project["optional-dependencies"]
    left = list(required(chain(project["dependencies"], *extras.values())))
    seen = set()
    while left:
        name, wanted = left.pop()
        if (name, *wanted) in seen or name == "edgespike":
            continue
        seen.add((name, *wanted))
        try:
            left += required(metadata.requires(name) or (), wanted)
        except metadata.PackageNotFoundError:  # of an extra that is not installed
            continue
    environments_own = {"setuptools", "wheel", "pip"}
    assert {name for name, *_ in seen} - set(pins) - environments_own == set()


def test_the_top_level_shows_targets_and_converters() -> None:
    for name in ("targets", "converters"):
        shown = ROOT / name
        if not shown.is_symlink():
            pytest.skip("this checkout has no symbolic links")
        assert shown.resolve() == ROOT / "edgespike" / name
