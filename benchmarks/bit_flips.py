"""Flip single bits of exported bundles, and count how many harmful flips are noticed.

A flip is harmful if it changes an answer, or prevents one, for any of 200 test images. A runner
notices it by the checksums, or, without them, by its check samples: another output or an error.

    python benchmarks/bit_flips.py fashion_rnn fashion_s3nn --flips 200
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

import edgespike
from edgespike.models import shipped_images, shipped_model
from edgespike.storage.checksums import CHECKSUMS
from edgespike.targets.loihi.environment import lava_path

PI = ("model.tflite", "network.json", "sample_input.npy", "expected_output.npy", "run.py")
LOIHI = ("network.npz", "network.json", "sample_input.npy", "expected_output.npy", "run_lava.py")
FLIPS_PER_SMALL_FILE = 25
"""Flips of each file other than the model; checksums treat all files alike."""


@dataclass(frozen=True)
class Row:
    """How many flips of one file were noticed; ``None`` where this was not measured."""

    bundle: str
    file: str
    flips: int
    refused: int
    harmful: int | None = None
    seen_by_samples: int | None = None
    seen_before: int | None = None


def flipped(content: bytes, random: np.random.Generator) -> bytes:
    """Return a copy with one random bit flipped."""
    changed = bytearray(content)
    changed[random.integers(len(content))] ^= 1 << random.integers(8)
    return bytes(changed)


def refused_by(command: list[str], path: Path, flips: Iterator[bytes], paths: str = "") -> int:
    """Count the flips with which a runner stops and names the file."""
    original, count = path.read_bytes(), 0
    environment = {"PATH": "", "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    for content in flips:
        path.write_bytes(content)
        done = subprocess.run(
            command, cwd=path.parent, env=environment, capture_output=True, text=True, check=False
        )
        # With a flip in its own code, a runner may fail before it can check anything.
        stopped = path.name in done.stderr or path.suffix == ".py"
        count += done.returncode != 0 and stopped
    path.write_bytes(original)
    return count


ANSWER = """
import sys
import numpy as np
sys.dont_write_bytecode = True
import run
run.check_files = lambda *names: None
network = run.json.loads((run.HERE / "network.json").read_text())
interpreter = run.load_interpreter()
with np.load(sys.argv[1]) as sets:
    for name in sets.files:
        encoded = run.encode_samples(sets[name], network, interpreter.get_input_details()[0])
        parts = (encoded[i : i + run.BATCH] for i in range(0, len(encoded), run.BATCH))
        answers = [run.run(interpreter, part, network) for part in parts]
        np.save(sys.argv[2] + name, np.concatenate(answers))
"""
"""Runs sets of samples as run.py does, in a process of its own, which a damaged model may crash."""


def answers(folder: Path, sets: Path) -> dict[str, Any]:
    """Return the accumulators of each set of samples; ``None`` where there is no answer."""
    with tempfile.TemporaryDirectory() as out:
        subprocess.run(
            [sys.executable, "-c", ANSWER, str(sets), f"{out}/"],
            cwd=folder,
            capture_output=True,
            check=False,
            timeout=120,
        )
        with np.load(sets) as file:
            names = file.files
        found = {name: Path(out) / f"{name}.npy" for name in names}
        return {name: np.load(path) if path.exists() else None for name, path in found.items()}


def seen_by_answers(folder: Path, sets: Path, flips: Iterator[bytes]) -> tuple[int, int, int]:
    """Count flips of the model that are harmful, and of these those that samples notice."""
    path = folder / "model.tflite"
    original, right = path.read_bytes(), answers(folder, sets)
    if any(each is None for each in right.values()):
        raise SystemExit(f"{folder} gives no answers, so flips cannot be compared with them")
    totals = np.zeros(3, int)
    for content in flips:
        path.write_bytes(content)
        found = answers(folder, sets)
        wrong = [not np.array_equal(found[name], right[name]) for name in ("images", "new", "old")]
        totals += np.array(wrong) & wrong[0]
    path.write_bytes(original)
    harmful, new, old = (int(total) for total in totals)
    return harmful, new, old


def old_samples(graph: edgespike.Graph) -> Any:
    """Return the samples of earlier versions: 8 of uniform noise."""
    source = graph.input_op
    shape = (graph.steps, *source.shape) if graph.steps > 1 else source.shape
    return np.random.default_rng(0).integers(source.low, source.high, (8, *shape), endpoint=True)


def pi_rows(name: str, folder: Path, flips: int) -> Iterator[Row]:
    """Measure the Raspberry Pi bundle of a shipped model."""
    graph, (images, _) = shipped_model(name), shipped_images(name)
    bundle = edgespike.export(graph, "tflite", folder / name) / "raspberry-pi"
    sets = folder / f"{name}.npz"
    new = np.load(bundle / "sample_input.npy")
    np.savez(sets, images=images, new=new, old=old_samples(graph))
    for file in PI:
        random, content = np.random.default_rng(0), (bundle / file).read_bytes()
        count = min(flips, FLIPS_PER_SMALL_FILE)
        drawn = [flipped(content, random) for _ in range(flips)]
        refused = refused_by([sys.executable, "run.py"], bundle / file, iter(drawn[:count]))
        seen = [None, None, None]
        if file == "model.tflite":
            # The runner hashes before it loads, so the rest need no process each.
            digests = (bundle / CHECKSUMS).read_text()
            refused += sum(not is_listed(each, file, digests) for each in drawn[count:])
            count = flips
            seen = list(seen_by_answers(bundle, sets, iter(drawn)))  # type: ignore[arg-type]
        yield Row(f"{name}, Raspberry Pi", file, count, refused, *seen)


def is_listed(content: bytes, name: str, digests: str) -> bool:
    """Return whether a file with this content passes the checksums."""
    return f"{sha256(content).hexdigest()}  {name}" in digests.splitlines()


def loihi_rows(name: str, folder: Path, flips: int) -> Iterator[Row]:
    """Measure the Loihi bundle of a shipped model."""
    bundle = edgespike.export(shipped_model(name), "loihi", folder / f"{name}-loihi")
    code = [path.relative_to(bundle).as_posix() for path in bundle.glob("lava_processes/*.py")]
    for file in (*LOIHI, *code):
        random, content = np.random.default_rng(0), (bundle / file).read_bytes()
        count = min(flips, FLIPS_PER_SMALL_FILE)
        drawn = (flipped(content, random) for _ in range(count))
        paths = ":".join([str(Path(np.__file__).parents[1]), *lava_path()])
        command = [sys.executable, "run_lava.py"]
        yield Row(f"{name}, Loihi", file, count, refused_by(command, bundle / file, drawn, paths))


def array_rows(name: str, folder: Path, flips: int) -> Iterator[Row]:
    """Measure what check/main.cc's CRC-32 notices in the model's array."""
    random, path = np.random.default_rng(0), folder / name / "microcontroller" / "model.tflite"
    content = path.read_bytes()
    right = zlib.crc32(content)
    noticed = sum(zlib.crc32(flipped(content, random)) != right for _ in range(flips))
    yield Row(f"{name}, microcontroller", "model.c", flips, noticed)


def show(rows: list[Row]) -> None:
    """Print a table."""
    columns = ("bundle", "file", "flips", "refused", "harmful", "seen by samples", "before")
    table = Table(*columns)
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in asdict(row).values()))
    Console(width=110).print(table)


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("models", nargs="*", default=["fashion_rnn"])
    parser.add_argument("--flips", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--without-loihi", action="store_true")
    arguments = parser.parse_args()
    kinds: list[Callable[[str, Path, int], Iterator[Row]]] = [pi_rows, array_rows]
    if not arguments.without_loihi:
        kinds.append(loihi_rows)
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            row
            for name in arguments.models
            for kind in kinds
            for row in kind(name, Path(folder), arguments.flips)
        ]
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        show(rows)


if __name__ == "__main__":
    main()
