"""The reader of samples that all bundles contain: the graph's scaling, and clear refusals."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edgespike.graph import Dense, Graph, Input, Node, Readout, Reshape, Scaling
from edgespike.samples import read_inputs
from edgespike.targets.shared.bundles import labels, own_data
from edgespike.targets.shared.samples_and_answers import read_samples, scaled, show
from tests.example_graphs import residual_graph, weights
from tests.targets.labelled import GRAPHS, exactly, in_units, measured_for

FINITE = st.floats(allow_nan=False, allow_infinity=False)
STEPS = st.floats(min_value=2.0**-1022, allow_nan=False, allow_infinity=False)


def about(graph: Graph, **changed: Any) -> dict[str, Any]:
    op = graph.input_op
    found = {"shape": op.shape, "steps": graph.steps, "low": op.low, "high": op.high}
    return {**found, "scaling": None, **labels(graph), **changed}


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("name", GRAPHS)
def test_measured_numbers_become_the_graphs_whole_numbers(name: str, dtype: Any) -> None:
    graph = GRAPHS[name]()
    measured = measured_for(graph)
    if dtype != np.float64:
        measured = np.clip(measured, -6e4, 6e4).astype(dtype)
    found, wanted = scaled(measured, about(graph)), in_units(graph, measured)
    np.testing.assert_array_equal(found, wanted)
    assert found.dtype == np.int64
    op = graph.input_op
    assert len(np.unique(found)) > min(op.high - op.low, 50) // 2


@given(value=FINITE, offset=FINITE, step=STEPS)
def test_all_doubles_are_scaled_as_ieee_754_says(value: float, offset: float, step: float) -> None:
    """Against Python's exact fractions; sums and quotients that overflow are clipped."""
    limits = {
        "shape": (1,),
        "low": -128,
        "high": 127,
        "scaling": {"offset": [offset], "step": [step]},
    }
    found = int(scaled(np.array([[value]]), limits)[0, 0])
    assert found == int(
        Scaling((offset,), (step,)).apply(np.array([[value]]), (1,), -128, 127)[0, 0]
    )
    try:
        assert found == exactly(value, offset, step, -128, 127)
    except OverflowError:  # Python's float() of a fraction that no double holds
        assert found == (127 if value > offset else -128)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused(bad: float, tmp_path: Path) -> None:
    graph = GRAPHS["signed"]()
    measured = measured_for(graph)
    measured[3, 2] = bad
    np.save(tmp_path / "x.npy", measured)
    with pytest.raises(SystemExit, match=r"1 of 200 measured numbers are not finite; fill or"):
        read_samples(tmp_path / "x.npy", about(graph))


@pytest.mark.parametrize("name", ["signed", "sequence"])
@pytest.mark.parametrize("header", ["", "x,y,z\n", "\ufeff"])
def test_a_table_holds_a_row_for_each_step(name: str, header: str, tmp_path: Path) -> None:
    graph = GRAPHS[name]()
    measured = measured_for(graph, 8)
    rows = [
        ",".join(map(repr, row)) for row in measured.reshape(-1, graph.input_op.shape[0]).tolist()
    ]
    (tmp_path / "x.CSV").write_text(header + "\n".join(rows) + "\n\n", encoding="utf-8")
    found = read_samples(tmp_path / "x.CSV", about(graph))
    np.testing.assert_array_equal(found, in_units(graph, measured))


def test_whole_numbers_of_an_array_are_what_the_network_takes(tmp_path: Path) -> None:
    samples = np.arange(10).reshape(2, 5)
    np.save(tmp_path / "x.npy", samples)
    np.testing.assert_array_equal(
        read_samples(tmp_path / "x.npy", about(GRAPHS["signed"]())), samples
    )


def test_a_table_for_a_graph_without_a_scaling_holds_whole_numbers(tmp_path: Path) -> None:
    plain = about(GRAPHS["signed"](), scaling=None)
    (tmp_path / "x.csv").write_text("1,2,3,4,5.0\n-1,-2,-3,-4,-5")
    found = read_samples(tmp_path / "x.csv", plain)
    np.testing.assert_array_equal(found, [[1, 2, 3, 4, 5], [-1, -2, -3, -4, -5]])
    assert found.dtype == np.int64
    (tmp_path / "x.csv").write_text("1,2,3,4,5.5")
    assert read_samples(tmp_path / "x.csv", plain).dtype == np.float64  # refused by each runner


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("signed", "1,2,3,4", "row 1 of numbers has 4; give 5 numbers in each row"),
        ("signed", "a,b,c,d,e\n1,2,3,4,5\n1,2,,4,5", "row 2 of numbers holds ''; give 5 numbers"),
        ("signed", "1,2,3,4,walking", "row 1 of numbers holds 'walking'; give 5 numbers"),
        ("signed", "", "has 0 rows of numbers; give 1 or more"),
        ("sequence", "1,2,3\n" * 6, "has 6 rows of numbers; give 5 or more for each sample of 5"),
        ("signed", "1,2,3,4,nan", "1 of 5 measured numbers are not finite"),
    ],
)
def test_tables_that_do_not_fit(name: str, text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(SystemExit, match=message):
        read_samples(tmp_path / "x.csv", about(GRAPHS[name]()))


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x00,1"])
def test_a_table_that_is_no_text(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(SystemExit, match=r"cannot read .*x\.csv|row 1 of numbers"):
        read_samples(tmp_path / "x.csv", about(GRAPHS["signed"]()))


@pytest.mark.parametrize("shape", [(3, 6), (5,), (0, 5), (2, 3, 5)])
def test_measured_numbers_of_another_shape(shape: tuple[int, ...], tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros(shape))
    with pytest.raises(SystemExit, match=r"samples have shape .*; give \(samples, 5\)"):
        read_samples(tmp_path / "x.npy", about(GRAPHS["signed"]()))


class TestImages:
    @pytest.fixture(autouse=True)
    def _pillow(self) -> None:
        pytest.importorskip("PIL")

    @pytest.fixture
    def grey(self) -> dict[str, Any]:
        return about(residual_graph(), shape=(1, 4, 6), low=0, high=255)

    def save(self, path: Path, pixels: NDArray[np.uint8]) -> None:
        from PIL import Image

        Image.fromarray(pixels).save(path)

    def test_pixels_are_the_whole_numbers(self, grey: dict[str, Any], tmp_path: Path) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
        self.save(tmp_path / "x.png", pixels[..., 0])
        found = read_samples(tmp_path / "x.png", grey)
        np.testing.assert_array_equal(found, pixels[None, None, ..., 0])
        self.save(tmp_path / "x.PNG", pixels)
        found = read_samples(tmp_path / "x.PNG", {**grey, "shape": (3, 4, 6)})
        np.testing.assert_array_equal(found, pixels.transpose(2, 0, 1)[None])

    @pytest.mark.parametrize("kind", ["LA", "RGBA", "I;16"])
    def test_pixels_that_would_be_changed_are_refused(
        self, grey: dict[str, Any], kind: str, tmp_path: Path
    ) -> None:
        from PIL import Image

        Image.new(kind, (6, 4)).save(tmp_path / "x.png")
        with pytest.raises(SystemExit, match=r"is stored as .*; save it without transparency"):
            read_samples(tmp_path / "x.png", grey)

    def test_a_palette_is_looked_up(self, grey: dict[str, Any], tmp_path: Path) -> None:
        from PIL import Image

        image = Image.new("P", (6, 4), 1)
        image.putpalette([0, 0, 0, 10, 20, 30])
        image.save(tmp_path / "x.png")
        found = read_samples(tmp_path / "x.png", {**grey, "shape": (3, 4, 6)})
        assert found[0, :, 0, 0].tolist() == [10, 20, 30]

    @pytest.mark.parametrize("channels", [1, 3])
    def test_another_size_is_resized_as_edgespike_does(
        self, grey: dict[str, Any], channels: int, tmp_path: Path
    ) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (13, 9, 3), np.uint8)
        (tmp_path / "images").mkdir()
        self.save(tmp_path / "images" / "x.png", pixels)
        shape = (channels, 4, 6)
        node = Node("image", Input(shape, 0, 255, 1.0))
        flat = Node("flat", Reshape((24 * channels,)), ("image",))
        dense = Node("dense", Dense(weights(1, 2, 24 * channels), weights(2, 2)), ("flat",))
        graph = Graph("image", (node, flat, dense, Node("out", Readout(np.ones(2)), ("dense",))))
        expected = read_inputs(graph, tmp_path / "images").samples[:, 0]
        found = read_samples(tmp_path / "images" / "x.png", {**grey, "shape": shape})
        np.testing.assert_array_equal(found, expected)

    @pytest.mark.parametrize(
        "changed", [{"high": 15}, {"shape": (2, 4, 6)}, {"scaling": {"offset": [0], "step": [1]}}]
    )
    def test_a_network_that_takes_no_pixels(
        self, grey: dict[str, Any], changed: dict[str, Any], tmp_path: Path
    ) -> None:
        self.save(tmp_path / "x.png", np.zeros((4, 6), np.uint8))
        with pytest.raises(SystemExit, match=r"is an image; this network takes 0\.\."):
            read_samples(tmp_path / "x.png", {**grey, **changed})

    def test_a_file_that_is_no_image(self, grey: dict[str, Any], tmp_path: Path) -> None:
        (tmp_path / "x.png").write_text("no image")
        with pytest.raises(SystemExit, match="cannot read"):
            read_samples(tmp_path / "x.png", grey)

    def test_pillow_is_missing(
        self, grey: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "PIL", None)
        with pytest.raises(SystemExit, match="images need Pillow: python -m pip install pillow"):
            read_samples(tmp_path / "x.png", grey)


@pytest.mark.parametrize(
    ("members", "names", "printed"),
    [
        (1, (), "1\n0\n"),
        (1, ("a b", "ü"), "1 ü\n0 a b\n"),
        (
            2,
            ("a b", "ü"),
            "# class probability entropy expected_entropy mutual_information name\n"
            "0 0.500000 0.693147 0.403300 0.289847 a b\n",
        ),
    ],
)
def test_answers(
    members: int, names: Any, printed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logits = np.array([[0.0, 1.0], [2.0, 0.0]])
    if members == 2:
        logits = np.array([[2.0, 0.0, 0.0, 2.0]])
    show(logits, members, names)
    found = capsys.readouterr().out
    if members == 1:
        assert found == printed
    else:
        header, row = found.splitlines()
        assert header == printed.splitlines()[0]
        assert row.startswith("0 0.500000 0.693147 0.")
        assert row.endswith(" a b")


def test_the_page_says_what_the_reader_takes() -> None:
    text = own_data(GRAPHS["sequence"](), "`network.json`")
    assert "(samples, 5, 3), as `numpy.save`" in text
    assert "rows of 3 measured numbers; 5 rows are one sample" in text
    assert "the number and the name of its class" in text
    text = own_data(residual_graph(), "`network.json`")
    assert "measured" not in text
    assert "Pillow" not in text  # its range is 0..15
