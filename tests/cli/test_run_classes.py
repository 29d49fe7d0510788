"""``run`` names classes, and says which are confused; nothing is overwritten unasked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgespike.cli.confusion import MOST_CONFUSED, NAME_WIDTH, confusions, matrix_lines
from edgespike.graph import Dense, Graph, Input, Node, Readout, Threshold, save_graph
from edgespike.passes.ensemble import ensemble
from edgespike.trace import confusion_matrix
from tests.cli.conftest import Cli
from tests.cli.test_bad_input import refused
from tests.example_graphs import residual_graph
from tests.targets.labelled import GRAPHS, classes, measured_for

LONG = "a name that is much longer than a column of any table that fits a terminal"


def choosing_graph(classes: int, names: tuple[str, ...] = ()) -> Graph:
    """Return a graph whose answer is the largest of its inputs."""
    nodes = (
        Node("input", Input((classes,), 0, 1, 1.0)),
        Node("dense", Dense(np.eye(classes, dtype=int), np.zeros(classes, int)), ("input",)),
        Node(
            "threshold", Threshold(np.ones((classes, 1), int), np.zeros(classes, bool)), ("dense",)
        ),
        Node("last", Dense(np.eye(classes, dtype=int), np.zeros(classes, int)), ("threshold",)),
        Node("out", Readout(np.ones(classes)), ("last",)),
    )
    return Graph("choosing", nodes, class_names=names)


class Files:
    """A graph and samples of chosen answers and labels."""

    def __init__(self, folder: Path, graph: Graph, answers: list[int], labels: list[int]) -> None:
        save_graph(graph, folder / "g.safetensors")
        np.save(folder / "x.npy", np.eye(graph.input_op.shape[0], dtype=int)[answers])
        np.save(folder / "y.npy", np.array(labels))
        self.unlabelled = ("run", folder / "g.safetensors", "-i", folder / "x.npy")
        self.labelled = (*self.unlabelled, "--labels", folder / "y.npy")


NAMES = ("cat", "dog, small", LONG, "Ä")
ANSWERS = [0, 1, 2, 3, 1, 1, 1, 0, 2, 2]
LABELS = [0, 1, 2, 3, 0, 0, 0, 1, 3, 3]


def test_classes_are_named(cli: Cli, tmp_path: Path) -> None:
    files = Files(tmp_path, choosing_graph(4, NAMES), ANSWERS, LABELS)
    lines = cli(*files.labelled).stdout.splitlines()
    assert lines[:5] == [
        "accuracy 40.00% of 10 samples; * marks the wrong ones",
        "most often confused, label -> class, with the share of the label's samples:",
        "  3   75%  0 cat -> 1 dog, small",
        "  2   67%  3 Ä -> 2 a name that is much l...",
        "  1   50%  1 dog, small -> 0 cat",
    ]
    rows = [line.split("  ") for line in lines if line.strip()[:1].isdigit()][3:]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert cells[3] == ["3", "3 Ä", "3 Ä"]
    assert cells[4] == ["4", "1 dog, small", "0 cat *"]
    answer = cli(*files.labelled, "--json").json
    assert answer["class_names"] == list(NAMES)
    assert answer["labels"] == LABELS
    assert answer["confusion"] == [[1, 3, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 2, 1]]


def test_without_labels_there_is_neither_accuracy_nor_confusion(cli: Cli, tmp_path: Path) -> None:
    files = Files(tmp_path, choosing_graph(4), ANSWERS, LABELS)
    shown = cli(*files.unlabelled).stdout
    assert "accuracy" not in shown
    assert "confused" not in shown
    answer = cli(*files.unlabelled, "--json").json
    assert [answer[name] for name in ("class_names", "labels", "confusion")] == [[], None, None]
    refused(cli(*files.unlabelled, "--confusion"), "--confusion compares classes with labels")


def test_nothing_is_confused_where_all_is_right(cli: Cli, tmp_path: Path) -> None:
    files = Files(tmp_path, choosing_graph(4, NAMES), ANSWERS, ANSWERS)
    shown = cli(*files.labelled).stdout
    assert shown.startswith("accuracy 100.00% of 10 samples\n")
    assert "confused" not in shown


def test_the_matrix_is_printed_instead_of_samples(cli: Cli, tmp_path: Path) -> None:
    files = Files(tmp_path, choosing_graph(4, NAMES), ANSWERS, LABELS)
    assert cli(*files.labelled, "--confusion").stdout.splitlines() == [
        "accuracy 40.00% of 10 samples",
        "label                        right  0  1  2  3",
        "0 cat                        25.0%  1  3  .  .",
        "1 dog, small                 50.0%  1  1  .  .",
        "2 a name that is much l...  100.0%  .  .  1  .",
        "3 Ä                          33.3%  .  .  2  1",
    ]
    both = cli(*files.labelled, "--confusion", "--all").stdout
    assert "label                        right" in both
    assert "sample" in both.splitlines()[7]


@pytest.mark.parametrize("members", [1, 2])
@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("classes", [2, 10, 300])
def test_the_usual_answer_is_short_and_narrow(
    cli: Cli, tmp_path: Path, classes: int, named: bool, members: int
) -> None:
    names = tuple(f"{LONG} {number}"[-100:] for number in range(classes)) if named else ()
    graph = ensemble([choosing_graph(classes, names)] * members)
    rng = np.random.default_rng(0)
    answers, labels = rng.integers(0, classes, (2, 3000)).tolist()
    files = Files(tmp_path, graph, answers, labels)
    lines = cli(*files.labelled).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    if members == 1:
        assert len(lines) <= 25
    assert sum("->" in line for line in lines[2:]) == min(MOST_CONFUSED, classes * (classes - 1))
    matrix = cli(*files.labelled, "--confusion").stdout.splitlines()
    assert max(map(len, matrix)) <= 80


@pytest.mark.parametrize(
    ("classes", "most"), [(1, 9), (3, 10**6), (10, 999), (57, 12345), (300, 3)]
)
@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_matrix_fits_and_holds_all_counts(classes: int, most: int, width: int) -> None:
    matrix = np.random.default_rng(1).integers(0, most + 1, (classes, classes))
    matrix[0] = 0
    lines = list(matrix_lines(matrix, (), width))
    assert max(map(len, lines)) <= width
    found, columns = np.full_like(matrix, -1), []
    for line in lines:
        cells = line.split()
        if cells[:1] == ["label"]:
            columns = [int(cell) for cell in cells[2:]]
        elif cells:
            right = matrix[int(cells[0])]
            share = right[int(cells[0])] / right.sum() if right.any() else None
            assert cells[1] == ("-" if share is None else f"{share:.1%}")
            found[int(cells[0]), columns] = [0 if cell == "." else int(cell) for cell in cells[2:]]
    np.testing.assert_array_equal(found, matrix)


def test_wide_letters_keep_the_columns_in_line() -> None:
    wide = "\u732b"
    assert list(matrix_lines(np.eye(3, dtype=np.int64), ("cat", wide, wide * 13), 80)) == [
        f"label{' ' * 23}right  0  1  2",
        f"0 cat{' ' * 22}100.0%  1  .  .",
        f"1 {wide}{' ' * 23}100.0%  .  1  .",
        f"2 {wide * 10}...  100.0%  .  .  1",
    ]


def test_confusions_are_in_order_and_few() -> None:
    matrix = np.array([[9, 5, 0], [1200, 4, 5], [0, 1, 0]])
    assert list(confusions(matrix, ("a", "b" * NAME_WIDTH, "c"))) == [
        f"  1,200   99%  1 {'b' * NAME_WIDTH} -> 0 a",
        f"      5   36%  0 a -> 1 {'b' * NAME_WIDTH}",
        f"      5    0%  1 {'b' * NAME_WIDTH} -> 2 c",
        f"      1  100%  2 c -> 1 {'b' * NAME_WIDTH}",
    ]
    assert len(list(confusions(np.ones((9, 9), int), ()))) == MOST_CONFUSED
    assert list(confusions(np.diag([3, 0]), ())) == []


def test_a_confusion_matrix_counts_every_sample_once() -> None:
    rng = np.random.default_rng(2)
    labels, predicted = rng.integers(0, 7, (2, 500))
    found = confusion_matrix(labels, predicted, 7)
    expected = [[int(((labels == a) & (predicted == b)).sum()) for b in range(7)] for a in range(7)]
    assert found.tolist() == expected


def test_an_older_output_is_kept_unless_forced(
    cli: Cli, graph_file: Path, input_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "answers.npz"
    out.write_text("kept")
    arguments = ("run", graph_file, "-i", input_file, "-o", out)
    refused(cli(*arguments), f"cannot write {out}: it exists", "overwrite it with --force")
    assert out.read_text() == "kept"
    assert cli(*arguments, "--force").code == 0
    assert out.read_bytes()[:2] == b"PK"


def test_labels_count_for_the_first_samples_only(cli: Cli, tmp_path: Path) -> None:
    files = Files(tmp_path, choosing_graph(4), ANSWERS, LABELS)
    answer = cli(*files.labelled, "--limit", 4, "--json").json
    assert (answer["accuracy"], answer["labels"]) == (1.0, LABELS[:4])


def test_an_ensemble_shows_names_beside_how_sure_it_is(
    cli: Cli, input_file: Path, tmp_path: Path
) -> None:
    named = replace(residual_graph(), class_names=("one", "two", "three"))
    save_graph(ensemble([named] * 2), tmp_path / "both.safetensors")
    shown = cli("run", tmp_path / "both.safetensors", "-i", input_file).stdout
    assert "probability" in shown
    assert any(name in shown for name in ("0 one", "1 two", "2 three"))


def test_labels_in_the_input_are_used_and_a_file_of_labels_wins(cli: Cli, tmp_path: Path) -> None:
    files = Files(tmp_path, choosing_graph(4, NAMES), ANSWERS, LABELS)
    np.savez(tmp_path / "both.npz", x=np.load(tmp_path / "x.npy"), y=np.array(LABELS))
    arguments = ("run", tmp_path / "g.safetensors", "-i", tmp_path / "both.npz")
    answer = cli(*arguments, "--json").json
    assert (answer["labels"], answer["accuracy"]) == (LABELS, 0.4)
    assert "dog, small" in cli(*arguments, "--confusion").stdout
    np.save(tmp_path / "right.npy", np.array(ANSWERS))
    others = cli(*arguments, "--labels", tmp_path / "right.npy", "--json").json
    assert (others["labels"], others["accuracy"]) == (ANSWERS, 1.0)
    assert cli(*arguments, "--limit", 3, "--json").json["labels"] == LABELS[:3]
    assert cli(*files.unlabelled, "--json").json["labels"] is None


def test_measured_numbers_are_scaled_as_the_bundles_do(cli: Cli, tmp_path: Path) -> None:
    graph = GRAPHS["signed"]()
    save_graph(graph, tmp_path / "g.safetensors")
    measured = measured_for(graph, 30)
    np.save(tmp_path / "x.npy", measured)
    answer = cli("run", tmp_path / "g.safetensors", "-i", tmp_path / "x.npy", "--json").json
    assert answer["predictions"] == classes(graph, measured)
    assert answer["class_names"] == list(graph.class_names)
