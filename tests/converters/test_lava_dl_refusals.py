"""What is refused of files of lava-dl, and how: by path, with the value and the way out."""

from __future__ import annotations

import itertools
import sys
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import edgespike
from edgespike.converters.base import ConvertOptions
from edgespike.converters.lava_dl.membranes import largest_current
from edgespike.converters.lava_dl.reading import read_graph
from edgespike.errors import EnvironmentMissingError, FileFormatError, UnsupportedError
from edgespike.graph import Dense
from edgespike.storage.hdf5 import opened_hdf5
from tests.converters.netx_files import FLATTEN, conv, dense, neurons, source, write

WEIGHT = np.array([[4, -6, 8, 2], [-2, 8, 6, -8]])
IMAGE = source([2, 5, 6])
KERNEL = np.ones((2, 2, 3, 2))


def of_type(name: bytes, **fields: Any) -> dict[str, Any]:
    return {"type": np.array([name], "S10"), "shape": [2], **fields}


def refused(path: Path, **given: Any) -> list[str]:
    """Return the violations of a file."""
    with pytest.raises(UnsupportedError) as caught:
        read_graph(path, ConvertOptions(**given))
    assert str(path) in caught.value.what
    return list(caught.value.violations)


def without(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


CASES: dict[str, tuple[list[dict[str, Any]], str]] = {
    "sigma-delta": (
        [dense(WEIGHT, {**neurons(), "type": b"SDNN"})],
        "layer/0/neuron are sigma-delta neurons, whose messages are differences; use CUBA neurons; "
        "there are CUBA, LOIHI",
    ),
    "resonate-and-fire": (
        [dense(WEIGHT, {**neurons(), "type": b"RF_PHASE"})],
        "layer/0/neuron are resonate-and-fire neurons",
    ),
    "unknown neurons": (
        [dense(WEIGHT, {**neurons(), "type": b"ALIF"})],
        "layer/0/neuron have type 'ALIF', which netx does not know",
    ),
    "no type of neurons": (
        [dense(WEIGHT, without(neurons(), "type"))],
        "layer/0/neuron have type '', which netx",
    ),
    "a pool": ([of_type(b"pool")], "layer/0 is a pool, which netx of lava-dl 0.6.0 does not run"),
    "unknown layer": ([of_type(b"gru")], "layer/0 has type 'gru', which netx does not know"),
    "no type": ([{"shape": [3]}], "layer/0/type is missing; it is one of input, dense"),
    "no weight": ([without(dense(WEIGHT, neurons()), "weight")], "layer/0/weight is missing"),
    "no shape": ([without(dense(WEIGHT, neurons()), "shape")], "layer/0/shape is missing"),
    "no threshold": (
        [dense(WEIGHT, without(neurons(), "vThMant"))],
        "layer/0/neuron/vThMant is missing; write the file with",
    ),
    "no neurons of a convolution": (
        [IMAGE, conv(KERNEL, [2, 3, 5], None)],
        "layer/1/neuron is missing",
    ),
    "fractions": (
        [dense(WEIGHT + 0.5, neurons())],
        "layer/0/weight has 8 of 8 numbers that are not whole, such as 4.5",
    ),
    "not a number": (
        [dense(np.where(WEIGHT == 8, np.nan, WEIGHT), neurons())],
        "layer/0/weight has 2 of 8 numbers that are not whole, such as nan",
    ),
    "large weights": (
        [dense(WEIGHT * 50, neurons())],
        "layer/0/weight has weights -400..400; netx keeps -256..254 and changes the others",
    ),
    "zeros": (
        [dense(WEIGHT * 0, neurons())],
        "layer/0/weight has only zeros, and netx divides by the largest weight",
    ),
    "a power of 2 below 0": (
        [dense(-np.abs(WEIGHT), neurons())],
        "layer/0/weight has weights -8..-2, of which netx changes",
    ),
    "weights and shape": (
        [{**dense(WEIGHT, neurons()), "shape": [3]}],
        "layer/0/weight has shape (2, 4); give (3, inputs), as shape says",
    ),
    "loops of another shape": (
        [dense(WEIGHT, neurons(), weight_rec=WEIGHT)],
        "layer/0/weight_rec has shape (2, 4); give (2, 2)",
    ),
    "loops with delays": (
        [dense(WEIGHT, neurons(), weight_rec=WEIGHT[:, :2], delay=3)],
        "layer/0/delay delays a recurrent layer",
    ),
    "a long delay": (
        [dense(WEIGHT, neurons(), delay=63)],
        "layer/0/delay is 63; it must be in 0..62",
    ),
    "delays of another shape": (
        [dense(WEIGHT, neurons(), delay=[1, 2, 3])],
        "layer/0/delay has shape (3,); give one number, one for each of 2 outputs or 4 inputs",
    ),
    "delays of a convolution": (
        [IMAGE, conv(KERNEL, [2, 3, 5], neurons(), delay=2)],
        "layer/1/delay delays a convolution, which netx leaves out",
    ),
    "biases of another shape": (
        [dense(WEIGHT, neurons(), bias=[1, 2, 3])],
        "layer/0/bias has shape (3,); give one for each of the 2 outputs",
    ),
    "a large bias": (
        [dense(WEIGHT, neurons(), bias=[1, 40000])],
        "layer/0/bias is 1..40000; it must be in -32768..32767",
    ),
    "a decay": (
        [dense(WEIGHT, neurons(5, 4097, -1))],
        "layer/0/neuron/iDecay is 4097; it must be in 0..4096",
    ),
    "a refractory time": (
        [dense(WEIGHT, {**neurons(), "refDelay": 3})],
        "layer/0/neuron/refDelay is 3, a refractory time, which Lava's LIF does not have",
    ),
    "an exponent": (
        [dense(WEIGHT, {**neurons(), "wgtExp": 2})],
        "layer/0/neuron/wgtExp is 2, an exponent of the weights",
    ),
    "several thresholds": (
        [dense(WEIGHT, {**neurons(), "vThMant": [3, 4]})],
        "layer/0/neuron/vThMant has 2 numbers; give one",
    ),
    "an input in the middle": (
        [dense(WEIGHT, neurons()), source([2])],
        "layer/1 is an input, which must be the first layer",
    ),
    "silent in the middle": (
        [dense(WEIGHT), dense(WEIGHT.T, neurons())],
        "layer/0 has no neurons; netx gives it neurons that never fire",
    ),
    "a threshold beyond reach": (
        [dense(WEIGHT, neurons(2**17)), dense(WEIGHT.T, neurons())],
        "layer/0/neuron/vThMant is 131072, which no potential exceeds",
    ),
    "an image into a dense layer": (
        [IMAGE, dense(np.ones((2, 60)) * 3, neurons())],
        "layer/1 is dense and follows (2, 5, 6); put a flatten layer before it",
    ),
    "flattened twice": (
        [IMAGE, FLATTEN, FLATTEN, dense(np.ones((2, 60)) * 3, neurons())],
        "layer/1 flattens; only a dense layer may follow",
    ),
    "a row flattened": (
        [source([4]), FLATTEN, dense(WEIGHT, neurons())],
        "layer/1 flattens what has one axis",
    ),
    "inputs that do not fit": (
        [source([5]), dense(WEIGHT, neurons())],
        "layer/1/weight takes 4 inputs, the layer before gives 5",
    ),
    "a shape that does not fit": (
        [IMAGE, conv(KERNEL, [2, 3, 4], neurons())],
        "layer/1/shape is (2, 3, 4), its weights make (2, 3, 5)",
    ),
    "channels that do not fit": (
        [IMAGE, conv(KERNEL[:, :1], [2, 3, 5], neurons())],
        "layer/1 (conv): weight (2, 1, 3, 2) with groups 1 takes 1 channels",
    ),
    "a kernel of three axes": (
        [IMAGE, conv(KERNEL[0], [2, 3, 5], neurons())],
        "layer/1/weight has shape (2, 3, 2); give (outputs, inputs, height, width)",
    ),
    "groups beyond Lava's": (
        [IMAGE, conv(KERNEL, [2, 3, 5], neurons(), groups=128)],
        "layer/1/groups is 128; it must be in 1..127",
    ),
    "a shape of many": ([source([2**20, 2**20, 9])], "layer/0/shape is [1048576, 1048576, 9]; the"),
    "nothing to run": ([source([4])], "layer has no dense or convolution"),
    "a current that wraps around": (
        [dense(WEIGHT * 10, neurons(5, 1)), dense(WEIGHT.T, neurons())],
        "layer/0 has a current that may reach",
    ),
    "an answer that may fire": (
        [dense(WEIGHT * 10, neurons(2**17 - 1))],
        "layer/0 may fire: its potential may reach",
    ),
    "a threshold of 0 that may saturate": (
        [dense(WEIGHT * 10, neurons(0)), dense(WEIGHT.T, neurons())],
        "layer/0 has a vThMant of 0, and its potential may saturate in 9000 steps",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_refusals(name: str, tmp_path: Path) -> None:
    layers, reason = CASES[name]
    found = refused(write(tmp_path / "net.net", layers, 9000))
    assert any(each.startswith(reason) for each in found), found


def test_all_violations_are_listed_at_once(tmp_path: Path) -> None:
    layers = [
        dense(WEIGHT + 0.5, {**neurons(5, 9000), "refDelay": 2}, bias=[1]),
        of_type(b"average"),
        dense(WEIGHT, {**neurons(), "type": b"SDNN"}),
    ]
    found = refused(write(tmp_path / "net.net", layers))
    places = [each.split()[0] for each in found]
    assert places == [
        *("layer/0/neuron/iDecay", "layer/0/neuron/refDelay", "layer/0/weight"),
        *("layer/1", "layer/2/neuron", "the", "layer"),
    ]


def test_what_only_the_user_knows(tmp_path: Path) -> None:
    path = write(tmp_path / "a.net", [conv(KERNEL, [2, 3, 5], neurons())])
    shape, steps = sorted(refused(path))
    assert shape.startswith("layer/0 does not state the shape of the input; give input_shape")
    assert steps.startswith("the steps of a sample are missing, and the file does not state them")
    net = read_graph(path, ConvertOptions(input_shape=(2, 5, 6), steps=4))
    assert net.graph.input_op.shape == (2, 5, 6)
    path = write(tmp_path / "b.net", [dense(WEIGHT, neurons())], 4)
    assert refused(path, input_shape=(5,), readout="max") == [
        "input_shape is (5,), the file's is (4,); leave input_shape out",
        "readout is 'max'; of such a net it is one of count, potential",
    ]


def changed(path: Path, change: Any) -> Path:
    with h5py.File(write(path, [dense(WEIGHT, neurons())], 4), "r+") as file:
        change(file)
    return path


def external(file: Any) -> None:
    del file["layer/0/weight"]
    file["layer/0/weight"] = h5py.ExternalLink("/etc/passwd", "weight")


def soft(file: Any) -> None:
    del file["layer/0/weight"]
    file["layer/0/weight"] = h5py.SoftLink("/layer/0/bias")


def soft_group(file: Any) -> None:
    file.move("layer", "elsewhere")
    file["layer"] = h5py.SoftLink("/elsewhere")


def stored_elsewhere(file: Any) -> None:
    del file["layer/0/weight"]
    place = [("/etc/passwd", 0, 32)]
    file["layer/0"].create_dataset("weight", (2, 4), np.float32, external=place)


def virtual(file: Any) -> None:
    del file["layer/0/weight"]
    layout = h5py.VirtualLayout((2, 4), np.float32)
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (2, 4))
    file["layer/0"].create_virtual_dataset("weight", layout)


def replaced(name: str, **fields: Any) -> Any:
    def change(file: Any) -> None:
        del file[name]
        parent, _, last = name.rpartition("/")
        file[parent].create_dataset(last, **fields)

    return change


def inflating(file: Any) -> None:
    replaced("layer/0/weight", shape=(2, 4), dtype="f4", chunks=(2, 4), compression="gzip")(file)
    file["layer/0/weight"].id.write_direct_chunk((0, 0), zlib.compress(bytes(2**20)))


def misnamed(file: Any) -> None:
    file.move("layer/0", "layer/1")


def cycle(file: Any) -> None:
    file["layer/0/weight_rec"] = file["layer"]


HOSTILE: dict[str, tuple[Any, str]] = {
    "a link to a file": (external, "layer/0/weight is a link to another place (ExternalLink)"),
    "a soft link": (soft, "layer/0/weight is a link to another place (SoftLink)"),
    "a soft link to all": (soft_group, "layer is a link to another place (SoftLink)"),
    "data in another file": (stored_elsewhere, "layer/0/weight keeps its values in other files"),
    "a virtual data set": (virtual, "layer/0/weight is put together from other data sets"),
    "never written": (
        replaced("layer/0/weight", shape=(2, 2**20), dtype="f4", chunks=(2, 1024)),
        "layer/0/weight has shape (2, 1048576), 8388608 bytes, of which 0 bytes were written",
    ),
    "beyond every limit": (
        replaced("layer/0/weight", shape=(2**40, 2**20), dtype="f4", chunks=(2, 1024)),
        "layer/0/weight has shape (1099511627776, 1048576)",
    ),
    "a compound": (
        replaced("layer/0/weight", shape=(2, 4), dtype=[("a", "f4"), ("b", "f4")]),
        "layer/0/weight has data of type",
    ),
    "complex": (
        replaced("layer/0/weight", data=np.ones((2, 4)) * 1j),
        "layer/0/weight has data of",
    ),
    "no elements": (replaced("layer/0/weight", data=np.ones((2, 0))), "layer/0/weight has shape"),
    "a chunk that inflates": (inflating, "layer/0/weight has a chunk that inflates beyond its 32"),
    "a rare filter": (
        replaced("layer/0/weight", data=np.ones((2, 4)), compression="lzf"),
        "layer/0/weight is packed by the filters [32000]",
    ),
    "large chunks": (
        replaced(
            "layer/0/weight", data=np.ones((2, 4)), chunks=(2**14, 2**10), maxshape=(None, None)
        ),
        "layer/0/weight has chunks (16384, 1024), larger than itself",
    ),
    "null": (
        replaced("layer/0/weight", data=h5py.Empty("f4")),
        "layer/0/weight has no data; give 0 to 5 axes",
    ),
    "a number as type": (replaced("layer/0/type", data=3), "layer/0/type has data of type 'int64'"),
    "a gap": (misnamed, "layer/1 is not one of the layers 0..0; netx numbers them without gaps"),
    "a group in place of numbers": (cycle, "layer/0/weight_rec is a group, not a data set"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_outside_the_file_is_read(name: str, tmp_path: Path) -> None:
    change, reason = HOSTILE[name]
    found = refused(changed(tmp_path / "net.net", change))
    assert any(each.startswith(reason) for each in found), found


@pytest.mark.parametrize(
    "packing", [{}, {"shuffle": True}, {"fletcher32": True, "shuffle": True}], ids=str
)
def test_what_compresses_a_thousandfold_is_read(packing: dict[str, bool], tmp_path: Path) -> None:
    weight = np.full((2**11, 2**10), 3.0, np.float32)

    def change(file: Any) -> None:
        del file["layer/0/weight"], file["layer/0/shape"]
        file["layer/0/shape"] = [2**11]
        file["layer/0"].create_dataset("weight", data=weight, compression="gzip", **packing)

    path = changed(tmp_path / "net.net", change)
    assert path.stat().st_size < weight.nbytes / 100
    op = read_graph(path, ConvertOptions(steps=1)).graph["dense1"].op
    assert isinstance(op, Dense)
    assert op.weight.shape == weight.shape


def test_truncated_files(tmp_path: Path) -> None:
    path = write(tmp_path / "net.net", [IMAGE, conv(KERNEL, [2, 3, 5], neurons())], 3)
    content = path.read_bytes()
    for size in range(8, len(content), 97):
        path.write_bytes(content[:size])
        with pytest.raises((FileFormatError, UnsupportedError), match=r"again|missing|no dense"):
            edgespike.convert(path)


def test_h5py_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "net.net", [dense(WEIGHT, neurons())], 3)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(EnvironmentMissingError, match=r"needs the package 'h5py'; run pip install"):
        edgespike.convert(path)


def test_errors_of_hdf5_are_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "net.net", [IMAGE], 3)
    with pytest.raises(FileFormatError, match=r"truncated or damaged .*again"), opened_hdf5(path):
        raise RuntimeError("unexpected")


@pytest.mark.parametrize("decay", [0, 1, 77, 4000, 4095, 4096])
@pytest.mark.parametrize("largest", [0, 1, 640, 100_000, 2**23 - 1])
def test_the_bound_on_currents_holds(decay: int, largest: int) -> None:
    current = 0
    for steps in itertools.islice(itertools.count(1), 60):
        current = (current * (4096 - decay) >> 12) + largest
        bound = largest_current(largest, decay, steps)
        assert bound >= min(current, 2**23)
        if steps * largest < 2**23:  # what cannot wrap around is not said to
            assert bound < 2**23 or current >= 2**23
