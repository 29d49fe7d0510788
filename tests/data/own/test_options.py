"""Options of data: what is not valid is listed at once."""

from __future__ import annotations

from typing import Any

import pytest

from edgespike.data.own import DataError, DataOptions
from edgespike.errors import InputError


def test_the_defaults_are_valid() -> None:
    assert DataOptions("data").validation == 0.1


def test_a_size_from_a_recipe_becomes_a_tuple() -> None:
    options = DataOptions("data", size=[28, 32])  # type: ignore[arg-type]
    assert options.size == (28, 32)
    assert hash(options) == hash(DataOptions("data", size=(28, 32)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": ""}, "path is ''"),
        ({"path": 3}, "path is 3"),
        ({"test": 0}, "test is 0; give a share above 0 and below 1"),
        ({"test": 1.0}, "test is 1.0"),
        ({"test": float("nan")}, "test is nan"),
        ({"test": "0.2"}, "test is '0.2'"),
        ({"test": True}, "test is True"),
        ({"validation": -0.1}, "validation is -0.1"),
        ({"validation": 1}, "validation is 1"),
        ({"window": -1}, "window is -1"),
        ({"window": 2.5}, "window is 2.5"),
        ({"window": 5, "stride": -1}, "stride is -1"),
        ({"stride": 5}, "stride is 5 without a window"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": 2**63}, "seed is"),
        ({"grey": 1}, "grey is 1"),
        ({"size": (28,)}, "size is"),
        ({"size": (0, 28)}, "size is"),
        ({"size": (28, 5000)}, "size is"),
        ({"size": 28}, "size is 28"),
        ({"label": ""}, "label is ''"),
        ({"group": None}, "group is None"),
        ({"group": "label"}, "label and group are both column 'label'"),
    ],
)
def test_values_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        DataOptions(**{"path": "data", **options})
    (fault,) = caught.value.violations
    assert fault.startswith(message)


def test_all_faults_are_listed() -> None:
    with pytest.raises(InputError) as caught:
        DataOptions("", test=2, validation=-1, window=-5, size=(1, 2, 3))
    assert str(caught.value).count("\n  - ") == 5
