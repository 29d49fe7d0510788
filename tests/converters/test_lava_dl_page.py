"""The page on files of lava-dl: its table is the code's, its examples run."""

from __future__ import annotations

import doctest
from pathlib import Path

from edgespike.converters.lava_dl.layers import LAYERS
from edgespike.converters.lava_dl.neurons import LayerNeurons
from edgespike.converters.lava_dl.support import NODES, PARAMETERS, support_table

PAGE = Path(__file__).parents[2] / "docs/converters/lava_dl.md"


def test_the_table_is_that_of_the_code() -> None:
    assert support_table() in PAGE.read_text()
    assert list(NODES) == list(LAYERS)
    assert set(LayerNeurons.__annotations__) <= set(PARAMETERS)


def test_its_examples_give_what_it_says() -> None:
    failed, tried = doctest.testfile(str(PAGE), module_relative=False)
    assert tried
    assert not failed
