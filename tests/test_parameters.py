"""The choice of parameters where not all of them run."""

from __future__ import annotations

from itertools import pairwise

import pytest

from tests.parameters import few_of_each


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, 9, 100])
@pytest.mark.parametrize("most", [2, 3, 4])
def test_each_function_has_its_first_and_last_and_some_between(number: int, most: int) -> None:
    names = [f"tests/a.py::test_one[{place}]" for place in range(number)]
    chosen = few_of_each([*names, "tests/a.py::test_other", "tests/b.py::test_one[0]"], most)
    assert {"tests/a.py::test_other", "tests/b.py::test_one[0]", names[0], names[-1]} <= chosen
    of_one = [place for place, name in enumerate(names) if name in chosen]
    assert len(of_one) == min(number, most)
    apart = [after - before for before, after in pairwise(of_one)]
    assert max(apart, default=0) - min(apart, default=0) <= 1
    assert len(chosen) == len(of_one) + 2


def test_brackets_in_parameters_are_theirs() -> None:
    names = [f"tests/a.py::test_one[{kind}]" for kind in ("m8[s]", "m8[m]", "a", "b")]
    assert few_of_each(names, 2) == {names[0], names[-1]}
