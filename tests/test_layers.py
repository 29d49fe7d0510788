"""Who may import whom: a model's way through the code, held by reading every import."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

SHARED = (
    "targets.base targets.check_samples targets.lines targets.partial_sums targets.processes "
    "targets.thresholds"
)

ALLOWED = {
    "edgespike/errors.py": "",
    "edgespike/extras.py": "",
    "edgespike/files.py": "",
    "edgespike/console.py": "rich",
    "edgespike/toml_files.py": "files tomli tomllib",
    "edgespike/npy.py": "",
    "edgespike/plugins.py": "",
    "edgespike/graph": "files safetensors",
    "edgespike/trace.py": "graph",
    "edgespike/interpreter.py": "graph trace",
    "edgespike/batches.py": "graph",
    "edgespike/samples.py": "files graph npy",
    "edgespike/counting": "graph interpreter trace",
    "edgespike/energy": "toml_files graph counting",
    "edgespike/report": "console extras files graph counting energy "
    "jinja2 markupsafe matplotlib rich",
    "targets/__init__.py": "plugins targets.base",
    "targets/base.py": "graph trace counting",
    "targets/check_samples.py": "graph interpreter",
    "targets/lines.py": "graph targets.thresholds",
    "targets/partial_sums.py": "graph",
    "targets/thresholds.py": "graph",
    "targets/processes.py": "",
    "targets/worker.py": "targets.processes targets.worker_main",
    "targets/worker_main.py": "",
    "targets/cpu": f"files graph trace counting {SHARED}",
    "targets/cpu/litert_engine.py": "graph trace counting targets.cpu targets.tflite",
    "targets/loihi": f"extras files graph trace targets.worker {SHARED} h5py platformdirs",
    "targets/loihi/simulator": "lava lava_processes scipy",
    "targets/tflite": f"extras files graph trace targets.worker {SHARED} flatbuffers platformdirs",
    "targets/tflite/execute.py": "",
    "targets/tflite/pi_runner.py": "",
    "targets/tflite/tflm.py": "",
    "edgespike/selection.py": "graph trace counting targets.cpu",
    "edgespike/verification.py": "batches graph interpreter trace counting targets",
    "edgespike/data": "files platformdirs",
    "edgespike/evaluation_mode.py": "torch",
    "edgespike/prune": "evaluation_mode extras torch",
    "edgespike/bayes/__init__.py": "",
    "edgespike/bayes/mixture": "files npy array_api_compat",
    "edgespike/bayes/metrics.py": "",
    "edgespike/bayes/overlap.py": "bayes.mixture",
    "edgespike/bayes/posterior.py": "bayes.mixture torch",
    "edgespike/nn": "evaluation_mode extras files toml_files graph counting data prune bayes "
    "torch accelerate rich safetensors",
    "converters": "evaluation_mode graph interpreter nn plugins torch",
    "edgespike/models/__init__.py": "files graph data",
    "edgespike/models/build.py": "files graph data models nn converters",
    "edgespike/api.py": "batches files graph trace counting energy targets verification converters",
    "edgespike/cli": "api batches console extras files graph trace samples counting energy report "
    "targets selection verification prune bayes nn converters models rich typer",
    "edgespike/__init__.py": "graph api",
    "edgespike/__main__.py": "cli",
}
"""What each part of the tree may import: others of ours, and packages.

A file belongs to the smallest part that it is in. Besides, it may import its own part, errors, the
version, numpy and the standard library.
"""

FILES = sorted(
    str(path.relative_to(ROOT))
    for top in ("edgespike", "targets", "converters")
    for path in (ROOT / top).rglob("*.py")
)

EVERYWHERE = {"edgespike.errors", "edgespike.__version__", "numpy", *sys.stdlib_module_names}


def imports(source: str) -> Iterator[str]:
    """Name all that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            # The package itself offers what its api does.
            yield from (
                "edgespike.api" if alias.name == "edgespike" else alias.name for alias in node.names
            )
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from (f"{module}.{alias.name}" for alias in node.names)


def as_module(place: str) -> str:
    name = place.removesuffix(".py").replace("/", ".")
    return name if name.startswith("edgespike") else f"edgespike.{name}"


def forbidden(file: str, source: str) -> list[str]:
    """List what a file imports and may not."""
    part = max((part for part in ALLOWED if f"{file}/".startswith(f"{part}/")), key=len, default="")
    if not part:
        return [f"{file} is in no part"]
    names = {name for word in ALLOWED[part].split() for name in (word, f"edgespike.{word}")}
    allowed = {as_module(part), *names, *EVERYWHERE}
    return [
        name
        for name in imports(source)
        if not any(f"{name}.".startswith(f"{prefix}.") for prefix in allowed)
    ]


@pytest.mark.parametrize("file", FILES)
def test_a_file_imports_only_what_its_part_may(file: str) -> None:
    assert forbidden(file, (ROOT / file).read_text()) == []


@pytest.mark.parametrize("part", ALLOWED)
def test_every_part_is_there(part: str) -> None:
    assert (ROOT / part).exists()


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("edgespike/graph/graph.py", "from edgespike.interpreter import interpret"),
        ("edgespike/graph/ops/new.py", "import torch"),
        ("edgespike/counting/count.py", "from edgespike import targets"),
        ("edgespike/energy/models.py", "import edgespike"),
        ("targets/base.py", "from edgespike.targets.cpu import TARGET"),
        ("targets/loihi/check.py", "from edgespike.targets.tflite.plan import make_plan"),
        ("targets/cpu/running.py", "def late():\n    from edgespike.targets.tflite import engine"),
        ("targets/loihi/simulator/run_lava.py", "from edgespike.graph import Graph"),
        ("edgespike/bayes/mixture/gaussian.py", "import torch.nn"),
        ("edgespike/nn/train.py", "from edgespike.converters import convert"),
        ("edgespike/models/__init__.py", "from .build import main"),
        ("converters/base.py", "import scipy"),
        ("edgespike/new.py", ""),
    ],
)
def test_all_else_is_found(file: str, line: str) -> None:
    assert len(forbidden(file, line)) == 1
