"""The tutorials' commands run in order, and print what the pages say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.available import available

pytest.importorskip("sybil")

from tests.docs.running import run_page

TUTORIALS = Path(__file__).parents[2] / "docs" / "tutorials"
NEEDS = {
    "few-levels-on-a-microcontroller": ("tflite", "tflite_micro"),
    "own-data-to-a-raspberry-pi": ("tflite", "torch", "sklearn"),
    "pruning-a-recurrent-net": ("tflite", "torch", "sklearn"),
    "snntorch-to-loihi": ("loihi", "torch", "snntorch"),
    "what-will-it-cost": ("tflite",),
}
"""For each tutorial the runtime of a target, and the packages, without which it is skipped."""


@pytest.fixture
def one_thread() -> Iterator[None]:
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_every_tutorial_is_run() -> None:
    assert {page.stem for page in TUTORIALS.glob("*.md")} == {*NEEDS, "index"}


@pytest.mark.slow
@pytest.mark.loihi
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", sorted(NEEDS))
def test_a_tutorial_does_what_it_says(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime, *packages = NEEDS[name]
    available(runtime)
    for package in packages:
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert run_page(TUTORIALS / f"{name}.md", tmp_path) >= 5
