"""CSV files: rows, recordings and windows; what cannot be read is named by line and column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgespike.data.own import DataOptions, read_data, tables
from edgespike.data.own.recordings import cut, find_runs
from edgespike.errors import InputError
from tests.data.own.files import faults, read, write_csv, write_recordings


def rows_file(path: Path, count: int = 30) -> Path:
    rng = np.random.default_rng(0)
    return write_csv(
        path,
        ["a", "label", "b"],
        ([x, "no" if x < 0 else "yes", y] for x, y in rng.normal(size=(count, 2))),
    )


def test_each_row_is_a_sample_without_recordings(tmp_path: Path) -> None:
    data = read(rows_file(tmp_path / "x.csv"))
    assert data.class_names == ("no", "yes")
    assert data.train.samples.shape == (22, 2, 1, 1)
    assert data.train.samples.dtype == np.int8
    assert data.scaling is not None
    assert len(data.scaling.step) == 2
    np.testing.assert_array_equal(
        data.train.labels,
        data.train.samples[:, 0, 0, 0] * data.scaling.step[0] + data.scaling.offset[0] > 0,
    )
    assert data.source["samples"] == {"train": 22, "validation": 2, "test": 6}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_delimiters_quotes_and_marks_are_understood(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "x.csv"
    lines = ["a,label", '"1.5",x', " 2 ,y", "", "3,x", '4,"y"', "1e1,x", "6,y"]
    path.write_text("\ufeff" + "\r\n".join(lines).replace(",", delimiter) + "\r\n\r\n", "utf-8")
    table = tables.read_table(path, ["label"])
    assert table.features == ("a",)
    assert table.values[:, 0].tolist() == [1.5, 2, 3, 4, 10, 6]
    assert table.named["label"].names == ("x", "y")
    assert table.named["label"].places.tolist() == [0, 1, 0, 1, 0, 1]


def test_numbers_as_labels_sort_as_numbers(tmp_path: Path) -> None:
    rows = [[x, f"{x % 11}.0" if x % 2 else x % 11] for x in range(220)]
    data = read(write_csv(tmp_path / "x.csv", ["a", "label"], rows))
    assert data.class_names == tuple(map(str, range(11)))


def test_windows_are_cut_from_recordings(tmp_path: Path) -> None:
    path = write_recordings(tmp_path / "x.csv", [10, 10, 7, 9, 8, 12], classes=2)
    data = read(path, window=4, stride=3, validation=0)
    counts = [(n - 4) // 3 + 1 for n in (10, 10, 7, 9, 8, 12)]
    assert data.source["samples"]["train"] + data.source["samples"]["test"] == sum(counts)
    assert data.train.samples.shape[1:] == (4, 2)


def windows_of(path: Path, **options: object) -> list[list[int]]:
    """The rows of each window, by the number that each row holds."""
    found = read_data(DataOptions(str(path), **options))  # type: ignore[arg-type]
    assert found.scaling is not None
    (offset, _), (step, _) = found.scaling.offset, found.scaling.step
    parts = (found.train, found.validation, found.test)
    return [
        [round(x * step + offset) for x in window[:, 0].tolist()]
        for part in parts
        for window in part.samples
    ]


def test_no_window_goes_over_the_end_of_a_recording(tmp_path: Path) -> None:
    lengths = [10, 11, 7, 9, 8, 12]
    path = write_recordings(tmp_path / "x.csv", lengths)
    ends = np.cumsum([0, *lengths])
    found = windows_of(path, window=5, stride=2)
    for window in found:
        assert len({int(np.searchsorted(ends, row, "right")) for row in window}) == 1
        assert np.diff(window).tolist() == [1] * 4
    assert len(found) == sum((n - 5) // 2 + 1 for n in lengths)


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2)), min_size=1, max_size=60),
    st.integers(1, 12),
    st.integers(1, 12),
)
def test_windows_stay_within_a_recording_and_a_label(
    rows: list[tuple[int, int]], window: int, stride: int
) -> None:
    recordings, labels = np.array(rows).T
    runs = find_runs(recordings, labels)
    starts, run = cut(runs, window, stride)
    for start, own in zip(starts, run, strict=True):
        chosen = runs.order[start : start + window]
        assert len(chosen) == window
        assert set(recordings[chosen]) == {runs.recordings[own]}
        assert set(labels[chosen]) == {runs.labels[own]}
        assert (np.diff(chosen) > 0).all()
    expected = [max(0, (n - window) // stride + 1) for n in runs.lengths]
    assert np.bincount(run, minlength=len(expected)).tolist() == expected
    assert runs.lengths.sum() == len(rows)


def test_recordings_of_one_length_are_taken_whole(tmp_path: Path) -> None:
    data = read(write_recordings(tmp_path / "x.csv", [6] * 10))
    assert data.train.samples.shape == (6, 6, 2)


def test_recordings_of_different_lengths_need_a_window(tmp_path: Path) -> None:
    (fault,) = faults(write_recordings(tmp_path / "x.csv", [6, 6, 9, 5]))
    assert fault == (
        "its recordings have different lengths, from 5 rows (r3) to 9 (r2); give a window of at "
        "most 5 rows"
    )


def test_a_label_that_changes_within_a_recording_needs_a_window(tmp_path: Path) -> None:
    rows = [[f"r{x // 10}", x // 5 % 2, x] for x in range(60)]
    path = write_csv(tmp_path / "x.csv", ["recording", "label", "a"], rows)
    (fault,) = faults(path)
    assert fault.startswith("the label changes within recordings r0, r1, r2, r3, r4 and 1 more")
    assert len(windows_of_one_feature(path)) == 12


def windows_of_one_feature(path: Path) -> list[int]:
    data = read(path, window=5)
    return [
        len(window) for part in (data.train, data.validation, data.test) for window in part.samples
    ]


def test_rows_of_a_recording_may_be_apart(tmp_path: Path) -> None:
    together = write_recordings(tmp_path / "x.csv", [8] * 8)
    header, *lines = together.read_text().splitlines()
    apart = tmp_path / "y.csv"
    apart.write_text("\n".join([header, *(lines[r * 8 + t] for t in range(8) for r in range(8))]))
    assert read(apart).source["sha256"] == read(together).source["sha256"]


def test_short_recordings_are_left_out_and_said(tmp_path: Path) -> None:
    data = read(write_recordings(tmp_path / "x.csv", [9, 9, 9, 9, 3]), window=4)
    assert data.source["notes"] == [
        "1 of 5 recordings, or parts with one label, of x.csv are shorter than the window and "
        "were left out"
    ]
    (fault,) = faults(tmp_path / "x.csv", window=10)
    assert "has 9 rows, the window 10" in fault


def recordings_of(data: object, part: str) -> set[int]:
    samples = getattr(data, part).samples
    return {int(row) for row in samples[:, 0, 0]}


def test_no_recording_is_in_two_parts(tmp_path: Path) -> None:
    rows = [[r, f"k{r % 3}", 10 * r] for r in range(24) for _ in range(12)]
    path = write_csv(tmp_path / "x.csv", ["recording", "label", "a"], rows)
    for seed in range(5):
        data = read(path, window=4, stride=1, seed=seed)
        found = [recordings_of(data, part) for part in ("train", "validation", "test")]
        assert sum(map(len, found)) == len(set.union(*found)) == 24
        assert all(found)


def test_no_group_is_in_two_parts(tmp_path: Path) -> None:
    # The only feature is the person; each person does everything.
    rows = [
        [f"{p}-{k}", f"p{p}", f"k{k}", 25 * p] for p in range(9) for k in range(4) for _ in range(6)
    ]
    path = write_csv(tmp_path / "x.csv", ["recording", "person", "label", "a"], rows)
    data = read(path, group="person", window=3)
    found = [recordings_of(data, part) for part in ("train", "validation", "test")]
    assert sum(map(len, found)) == len(set.union(*found)) == 9
    assert len(found[2]) == 2
    for part in (data.train, data.validation, data.test):
        assert set(part.labels) == {0, 1, 2, 3}


def test_numbers_of_recordings_may_begin_anew_in_each_group(tmp_path: Path) -> None:
    rows = [[k, f"p{p}", f"k{k}", x] for p in range(4) for k in range(2) for x in range(5)]
    path = write_csv(tmp_path / "x.csv", ["recording", "person", "label", "a"], rows)
    data = read(path, group="person", validation=0)
    assert data.train.samples.shape == (6, 5, 1)


def test_rows_have_groups_too(tmp_path: Path) -> None:
    rows = [[p, k, 20 * p] for p in range(10) for k in range(2) for _ in range(3)]
    path = write_csv(tmp_path / "x.csv", ["person", "label", "a"], rows)
    data = read(path, group="person")
    found = [set(getattr(data, part).samples.flat) for part in ("train", "validation", "test")]
    assert sum(map(len, found)) == 10


def test_a_folder_may_hold_the_parts(tmp_path: Path) -> None:
    write_recordings(tmp_path / "train.csv", [6] * 8)
    write_recordings(tmp_path / "test.csv", [6] * 4)
    data = read(tmp_path)
    assert data.source["samples"] == {"train": 6, "validation": 2, "test": 4}
    assert data.source["files"] == 2


def test_parts_must_have_the_same_columns_and_other_groups(tmp_path: Path) -> None:
    write_recordings(tmp_path / "train.csv", [6] * 8, people=2)
    write_recordings(tmp_path / "test.csv", [6] * 4, people=2)
    assert faults(tmp_path, group="person") == [
        "person p0, p1 is in train and in test; keep it in one"
    ]
    write_recordings(tmp_path / "test.csv", [6] * 4)
    unnamed, different = faults(tmp_path)
    assert unnamed.startswith("column 'person' seems to say who")
    assert different == "test and train have different columns: person"


def test_a_class_in_one_recording_only_is_named(tmp_path: Path) -> None:
    rows = [[r, "rare" if r == 0 else f"k{r % 2}", x] for r in range(9) for x in range(4)]
    path = write_csv(tmp_path / "x.csv", ["recording", "label", "a"], rows)
    assert faults(path, window=2) == [
        "class rare without samples in test; each class needs at least 2 samples, of different "
        "values of column recording"
    ]


NOT = (
    "is not a number; if the column is not a feature, remove it or give it as label, recording or "
    "group"
)

BAD = """recording,label,a,b
r0,x,1,2
r0,x,abc,2
r0,,1,2
r0,x,,2
r0,x,1,nan
r0,x,1
r0,x,"1,5",inf
r0,x,1_000,0x10
"""


def test_bad_cells_are_named_by_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(BAD)
    assert faults(path) == [
        f"line 3, column a: 'abc' {NOT}",
        "line 4, column label: the cell is empty; give a name",
        "line 5, column a: the cell is empty; fill it or remove the row",
        "line 6, column b: 'nan' is not a finite number; fill it or remove the row",
        "line 7 has 3 cells, the header 4",
        "line 8, column a: '1,5' has a decimal comma; use a point",
        "line 8, column b: 'inf' is not a finite number; fill it or remove the row",
        f"line 9, column a: '1_000' {NOT}",
        f"line 9, column b: '0x10' {NOT}",
    ]


def test_a_column_of_text_is_one_fault(tmp_path: Path) -> None:
    path = write_recordings(tmp_path / "x.csv", [6] * 4, people=2)
    path.write_text(path.read_text().replace("person", "place", 1))
    assert faults(path) == [f"line 2, column place: 'p0' {NOT}"]


def test_a_fault_far_down_is_found(tmp_path: Path) -> None:
    path = rows_file(tmp_path / "x.csv", 5000)
    text = path.read_text().splitlines()
    text[4001] = "oops,yes,1"
    path.write_text("\n".join(text))
    assert faults(path) == [f"line 4,002, column a: 'oops' {NOT}"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("\n\na,label\n", "begins with an empty line"),
        ("a,label\n", "it has a header and no rows"),
        ("1,2\n3,4\n", "its first line holds numbers (1, 2)"),
        ("a,a,label\n1,2,x\n", "columns that are there twice: a"),
        ("a,,label\n1,2,x\n", "columns without a name in the first line: 2"),
        ("a,b\n1,2\n", "no column label; it has a, b"),
        ("label\nx\n", "it has no columns of numbers"),
        ("a,label\n1,x\n2,x\n", "it has 1 class (x); give samples of at least 2"),
    ],
)
def test_files_that_make_no_sense_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read(path)
    assert message in str(caught.value)


@pytest.mark.parametrize("content", [b"a,label\n\xff\xfe,x\n", b"a,label\n\x00" + b"1" * 200_000])
def test_files_that_are_not_text_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.csv"):
        read(path)


def test_a_window_needs_recordings(tmp_path: Path) -> None:
    path = rows_file(tmp_path / "x.csv")
    assert "window is 5, but it has no column of recordings" in faults(path, window=5)[0]
    assert faults(path, recording="session") == [
        "no column 'session' for recordings; it has a, label, b"
    ]


def test_tables_beyond_the_limit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "VALUES_LIMIT", 59)
    with pytest.raises(InputError, match="more than 59 numbers"):
        read(rows_file(tmp_path / "x.csv", 30))


def test_windows_beyond_the_limit_are_refused_before_they_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgespike.data.own.csv_files.BYTES_LIMIT", 1000)
    path = write_recordings(tmp_path / "x.csv", [60] * 6)
    assert "use a larger stride" in faults(path, window=50, stride=1)[0]


def test_the_scaling_is_learnt_from_training_alone(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [[x % 2, rng.normal()] for x in range(100)]
    write_csv(tmp_path / "train.csv", ["label", "a"], rows)
    write_csv(tmp_path / "test.csv", ["label", "a"], rows)
    expected = read(tmp_path).scaling
    write_csv(
        tmp_path / "test.csv", ["label", "a"], [[x % 2, 1000 * y] for x, (_, y) in enumerate(rows)]
    )
    data = read(tmp_path)
    assert data.scaling == expected
    assert {-127, 127} <= set(data.test.samples.flat)


@pytest.mark.parametrize("seed", range(6))
def test_the_largest_training_value_makes_the_range(tmp_path: Path, seed: int) -> None:
    # Each recording is larger than those before; which of them are for training differs.
    rows = [[r, r % 2, 10 * (r + 1) * (-1) ** t] for r in range(20) for t in range(8)]
    path = write_csv(tmp_path / "x.csv", ["recording", "label", "a"], rows)
    data = read(path, window=4, stride=2, seed=seed)
    assert data.scaling is not None
    (offset,), (step,) = data.scaling.offset, data.scaling.step
    assert np.abs(data.train.samples.astype(int)).max() == 127
    largest = max(abs(x * step + offset) for x in data.train.samples.flat)
    assert step == pytest.approx((largest - offset) / 127, rel=0.01)


def test_the_order_of_groups_in_the_file_does_not_matter_to_the_shares(tmp_path: Path) -> None:
    path = write_recordings(tmp_path / "x.csv", [20] * 40, classes=4, people=5)
    sizes = {
        read(path, group="person", window=5, seed=seed).source["samples"]["test"]
        for seed in range(5)
    }
    assert sizes == {32}  # one person of five


def test_numbers_too_large_for_float64_are_not_finite(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("label,a\nx,1e999\nx,1ex\n")
    assert faults(path) == [
        "line 2, column a: '1e999' is not a finite number; fill it or remove the row",
        f"line 3, column a: '1ex' {NOT}",
    ]
