"""A column that says who was recorded never becomes a measurement by oversight."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgespike.data.own import DataError, DataOptions, read_data
from edgespike.data.own.options import GROUPS
from edgespike.targets.shared.samples_and_answers import DESCRIBING, read_samples


def table(path: Path, column: str) -> Path:
    lines = [f"recording,{column},label,x,y"]
    for recording in range(8):
        for row in range(4):
            lines.append(f"{recording},{recording % 4},{'ab'[recording % 2]},{row + 0.5},{-row}")
    path.write_text("\n".join(lines))
    return path


@pytest.mark.parametrize("column", GROUPS)
def test_a_column_of_people_must_be_named_or_removed(column: str, tmp_path: Path) -> None:
    path = table(tmp_path / "x.csv", column)
    with pytest.raises(DataError, match=f"--group {column}"):
        read_data(DataOptions(str(path), window=2))
    data = read_data(DataOptions(str(path), window=2, group=column, validation=0, test=0.5))
    assert data.train.samples.shape[2] == 2


def test_another_name_is_a_measurement(tmp_path: Path) -> None:
    path = table(tmp_path / "x.csv", "height")
    data = read_data(DataOptions(str(path), window=2, validation=0, test=0.5))
    assert data.train.samples.shape[2] == 3


def test_a_bundle_leaves_out_the_same_columns() -> None:
    assert set(DESCRIBING) == {DataOptions.label, DataOptions.recording, *GROUPS}


def test_a_bundle_reads_windows_of_the_table_that_edgespike_reads(tmp_path: Path) -> None:
    path = table(tmp_path / "x.csv", "person")
    about = {"shape": [2], "steps": 3, "low": -127, "high": 127}
    scaling = {"offset": [0.0], "step": [0.5]}
    found = read_samples(path, {**about, "scaling": scaling})
    np.testing.assert_array_equal(found, [[[1, 0], [3, -2], [5, -4]]] * 8)


def test_a_bundle_refuses_rows_of_one_recording_that_are_apart(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("recording,x\n0,1\n1,2\n0,3\n")
    about = {"shape": [1], "steps": 1, "low": -127, "high": 127, "scaling": None}
    with pytest.raises(SystemExit, match="rows of the same recording are not together"):
        read_samples(path, about)
