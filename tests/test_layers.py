"""Who may import whom: a model's way through the code, held by reading every import."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

ALLOWED = {
    "edgespike/errors.py": "",
    "edgespike/extras.py": "",
    "edgespike/text.py": "",
    "edgespike/console.py": "text rich",
    "edgespike/plugins.py": "",
    "edgespike/threads.py": "",
    "edgespike/workers": "",
    "edgespike/workers/worker_main.py": "",
    "edgespike/pools": "blas threads workers",
    "edgespike/pools/cluster.py": "extras pools distributed",
    "edgespike/storage": "filelock tomli tomllib",
    "edgespike/storage/hdf5.py": "extras storage h5py",
    "edgespike/graph": "text storage safetensors",
    # Notebooks ask the objects themselves for a view; it is imported when they do.
    "edgespike/graph/graph.py": "text graph report.notebook",
    "edgespike/passes": "graph",
    "edgespike/show": "graph text",
    "edgespike/trace.py": "graph",
    "edgespike/blas.py": "threadpoolctl",
    "edgespike/exact_factors.py": "graph",
    "edgespike/interpreter.py": "graph trace blas exact_factors",
    "edgespike/floats": "graph blas",
    "edgespike/quantise": "graph floats converters.base blas interpreter",
    "edgespike/int8": "graph exact_factors",
    "edgespike/adapters/__init__.py": "extras graph adapters",
    "edgespike/adapters": "graph trace batches prepared quantise.inputs data.own.measured torch",
    "edgespike/adapters/neurobench": "graph interpreter adapters torch neurobench snntorch",
    "edgespike/batches.py": "graph trace counting targets.base",
    "edgespike/samples.py": "storage graph data",
    "edgespike/sharding.py": "batches graph counting pools prepared",
    "edgespike/counting": "graph interpreter trace",
    "edgespike/energy": "storage graph counting",
    "edgespike/energy/report.py": "graph counting energy report.notebook",
    "edgespike/report": "console text extras storage graph show counting energy "
    "comparison.statistics jinja2 markupsafe matplotlib rich",
    "edgespike/energy/units.py": "pint",
    "edgespike/targets/__init__.py": "plugins graph counting targets.base",
    "edgespike/targets/base.py": "graph trace counting",
    "edgespike/targets/shared": "graph interpreter",
    "edgespike/targets/shared/bundles.py": "graph targets.shared",
    "edgespike/targets/shared/samples_and_answers.py": "PIL",
    "edgespike/targets/shared/installing.py": "storage workers filelock",
    "edgespike/targets/cpu": "blas storage graph threads trace counting targets.base "
    "targets.shared",
    "edgespike/targets/cpu/native/build.py": "cffi",
    # The one exception: the cpu runs int8 graphs with the engine that TFLite's models run on.
    "edgespike/targets/cpu/litert_engine.py": "graph trace counting targets.cpu targets.shared "
    "targets.tflite.running.engine",
    "edgespike/targets/loihi": "extras storage graph trace targets.base targets.shared workers "
    "h5py platformdirs",
    "edgespike/targets/loihi/placement.py": "graph counting targets.loihi",
    "edgespike/targets/loihi/simulator": "lava lava_processes samples_and_answers scipy",
    "edgespike/targets/tflite": "extras storage graph trace targets.base targets.shared workers "
    "flatbuffers platformdirs",
    "edgespike/targets/tflite/running/execute.py": "",
    # It knows what is exact, to tell whether a version of the runtime is.
    "edgespike/targets/tflite/running/ties.py": "graph interpreter",
    "edgespike/targets/tflite/devices/pi_runner.py": "samples_and_answers",
    "edgespike/targets/tflite/running/tflm.py": "",
    "edgespike/targets/onnx": "extras graph threads trace targets.base targets.shared onnx "
    "onnxruntime",
    "edgespike/targets/onnx/onnx_runner.py": "onnxruntime samples_and_answers",
    "edgespike/targets/c": "extras counting graph trace targets.base targets.shared",
    "edgespike/targets/c/instructions.py": "graph counting targets.c",
    "edgespike/targets/c/bundle": "batches graph interpreter trace counting targets.base targets.c "
    "targets.shared",
    "edgespike/prepared.py": "graph counting targets",
    "edgespike/selection.py": "batches graph trace counting targets",
    "edgespike/verification.py": "batches graph interpreter trace counting prepared "
    "report.notebook",
    "edgespike/certificates.py": "storage verification",
    "edgespike/data": "storage platformdirs",
    "edgespike/data/own": "storage graph extras PIL",
    "edgespike/evaluation_mode.py": "torch",
    "edgespike/simulator_neurons.py": "",
    "edgespike/prune/__init__.py": "extras prune",
    "edgespike/prune/choosing": "",
    "edgespike/prune/report.py": "prune.choosing",
    "edgespike/prune/torch": "evaluation_mode prune.choosing prune.report torch",
    "edgespike/prune/checkpoint.py": "storage data nn prune torch",
    "edgespike/bayes/__init__.py": "",
    "edgespike/bayes/mixture": "storage array_api_compat",
    "edgespike/bayes/metrics.py": "",
    "edgespike/bayes/overlap.py": "bayes.mixture",
    "edgespike/bayes/posterior.py": "bayes.mixture torch",
    "edgespike/nn/__init__.py": "extras nn",
    "edgespike/nn/deployment.py": "graph converters targets nn.layers nn.nets torch",
    "edgespike/nn/layers": "evaluation_mode simulator_neurons graph counting torch",
    "edgespike/nn/nets": "storage graph nn.layers torch safetensors",
    "edgespike/nn/training": "evaluation_mode extras storage graph trace data bayes nn.layers "
    "nn.nets torch rich",
    "edgespike/nn/training/pictures.py": "matplotlib",
    "edgespike/converters": "plugins storage graph passes quantise.result",
    "edgespike/converters/checking.py": "interpreter floats quantise converters",
    "edgespike/converters/near_thresholds.py": "graph floats",
    "edgespike/converters/torch": "evaluation_mode graph passes interpreter nn converters torch",
    "edgespike/converters/lava_dl": "storage graph converters interpreter h5py",
    "edgespike/converters/torch/floats": "evaluation_mode graph floats quantise converters torch",
    "edgespike/converters/torch/weight_files.py": "storage converters.own_files torch safetensors",
    "edgespike/converters/spiking": "evaluation_mode graph floats quantise converters torch",
    "edgespike/converters/snntorch": "simulator_neurons graph floats converters torch snntorch",
    "edgespike/converters/spikingjelly": "simulator_neurons graph floats converters torch",
    "edgespike/converters/nir": "extras storage graph floats quantise converters h5py",
    "edgespike/converters/tflite": "storage graph int8 converters",
    "edgespike/converters/tflite/agreement.py": "extras graph interpreter int8 converters workers",
    "edgespike/converters/tflite/running.py": "",
    "edgespike/converters/onnx": "extras storage graph floats quantise converters onnx onnxruntime",
    "edgespike/converters/onnx/int8": "graph int8 interpreter converters onnx onnxruntime",
    # A point goes through the whole package.
    "edgespike/sweep": "text storage graph energy pools nn api comparison verification "
    "report.units tomli tomllib torch rich",
    "edgespike/frontier": "sweep",
    "edgespike/report/frontier.py": "extras text storage energy frontier report matplotlib "
    "markupsafe",
    "edgespike/models/__init__.py": "storage graph data",
    "edgespike/models/build.py": "storage graph data models nn converters",
    "edgespike/converters/onnx/qonnx": "graph passes converters",
    "edgespike/converters/onnx/qonnx/agreement.py": "graph interpreter converters onnx qonnx",
    "edgespike/comparison": "batches storage graph trace samples energy prepared targets "
    "converters",
    "edgespike/devices.py": "graph counting energy targets",
    "edgespike/budget.py": "storage graph energy comparison targets",
    "edgespike/api.py": "batches sharding storage graph passes threads trace samples counting "
    "energy comparison prepared targets verification converters",
    "edgespike/cli": "api text batches sharding pools sweep frontier threads prepared console "
    "extras storage graph passes show trace samples counting energy comparison "
    "budget report targets selection verification devices certificates prune bayes nn data "
    "converters quantise models rich typer",
    "edgespike/__init__.py": "graph api",
    "edgespike/__main__.py": "cli",
}
"""What each part of the tree may import: others of ours, and packages.

A file belongs to the smallest part that it is in. Besides, it may import its own part, errors, the
version, numpy and the standard library.
"""

FILES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "edgespike").rglob("*.py"))

EVERYWHERE = {
    "edgespike.errors",
    "edgespike.__version__",
    "numpy",
    "typing_extensions",
    *sys.stdlib_module_names,
}


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
    return place.removesuffix(".py").replace("/", ".")


def part_of(file: str) -> str:
    return max((part for part in ALLOWED if f"{file}/".startswith(f"{part}/")), key=len, default="")


def forbidden(file: str, source: str) -> list[str]:
    """List what a file imports and may not."""
    part = part_of(file)
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


def test_each_part_imports_all_that_it_may() -> None:
    imported: dict[str, set[str]] = {part: set() for part in ALLOWED}
    for file in FILES:
        imported[part_of(file)].update(imports((ROOT / file).read_text()))
    unused = [
        (part, word)
        for part, words in ALLOWED.items()
        for word in words.split()
        if not any(
            f"{name}.".startswith((f"{word}.", f"edgespike.{word}."))
            and not f"{name}.".startswith(f"{as_module(part)}.")
            for name in imported[part]
        )
    ]
    assert unused == []


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("edgespike/graph/graph.py", "from edgespike.interpreter import interpret"),
        ("edgespike/graph/ops/new.py", "import torch"),
        ("edgespike/counting/count.py", "from edgespike import targets"),
        ("edgespike/energy/models.py", "import edgespike"),
        ("edgespike/targets/base.py", "from edgespike.targets.cpu import TARGET"),
        (
            "edgespike/targets/loihi/check.py",
            "from edgespike.targets.tflite.planning.plan import make_plan",
        ),
        (
            "edgespike/targets/cpu/run.py",
            "def late():\n    from edgespike.targets.tflite import engine",
        ),
        ("edgespike/targets/loihi/simulator/run_lava.py", "from edgespike.graph import Graph"),
        ("edgespike/bayes/mixture/gaussian.py", "import torch.nn"),
        ("edgespike/nn/layers/weighted.py", "from edgespike.nn.nets.spec import NetSpec"),
        ("edgespike/nn/nets/models.py", "from edgespike.nn import train"),
        ("edgespike/nn/training/train.py", "from edgespike.converters import convert"),
        ("edgespike/prune/choosing/choice.py", "import torch"),
        ("edgespike/prune/report.py", "from edgespike.prune.torch.pruning import Pruned"),
        ("edgespike/models/__init__.py", "from .build import main"),
        ("edgespike/converters/builder.py", "import torch"),
        ("edgespike/converters/torch/modules.py", "import scipy"),
        ("edgespike/new.py", ""),
    ],
)
def test_all_else_is_found(file: str, line: str) -> None:
    assert len(forbidden(file, line)) == 1
