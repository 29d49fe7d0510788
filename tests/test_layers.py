"""Who may import whom: a model's way through the code, held by reading every import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

TARGETS = {"cpu", "loihi", "tflite"}

FORBIDDEN = {
    "edgespike/graph": [
        "edgespike.interpreter",
        "edgespike.trace",
        "edgespike.counting",
        "edgespike.energy",
        "edgespike.report",
        "edgespike.targets",
        "edgespike.converters",
        "edgespike.nn",
        "edgespike.cli",
        "torch",
    ],
    "edgespike/interpreter.py": ["edgespike.counting", "edgespike.targets", "edgespike.converters"],
    "edgespike/counting": [
        "edgespike.energy",
        "edgespike.targets",
        "edgespike.converters",
        "edgespike.nn",
        "torch",
    ],
    "edgespike/energy": ["edgespike.targets", "edgespike.converters", "edgespike.nn", "torch"],
    "edgespike/report": ["edgespike.targets", "edgespike.converters", "edgespike.nn", "torch"],
    "targets": ["edgespike.converters", "edgespike.nn", "edgespike.cli", "torch"],
    **{
        f"targets/{name}": [f"edgespike.targets.{other}" for other in TARGETS - {name}]
        for name in ("loihi", "tflite")
    },
    **{
        f"targets/cpu/{path.name}": ["edgespike.targets.loihi", "edgespike.targets.tflite"]
        for path in (ROOT / "targets" / "cpu").glob("*.py")
        if path.name != "litert_engine.py"
    },
    "converters": ["edgespike.targets", "edgespike.counting", "edgespike.cli"],
    "edgespike/prune": [
        "edgespike.graph",
        "edgespike.targets",
        "edgespike.converters",
        "edgespike.nn",
        "edgespike.cli",
    ],
    "edgespike/nn": ["edgespike.targets", "edgespike.converters", "edgespike.cli"],
    "edgespike/bayes/mixture": [
        "edgespike.graph",
        "edgespike.targets",
        "edgespike.converters",
        "edgespike.nn",
        "edgespike.cli",
        "torch",
    ],
    **{
        f"edgespike/bayes/{name}.py": [
            "edgespike.graph",
            "edgespike.targets",
            "edgespike.converters",
            "edgespike.nn",
            "edgespike.cli",
            *torch,
        ]
        for name, torch in (("metrics", ["torch"]), ("overlap", ["torch"]), ("posterior", []))
    },
    "edgespike/trace.py": ["edgespike.counting", "edgespike.targets", "edgespike.converters"],
    "edgespike/samples.py": ["edgespike.targets", "edgespike.converters", "edgespike.nn"],
    "edgespike/verification.py": ["edgespike.converters", "edgespike.nn", "edgespike.cli"],
    "edgespike/selection.py": ["edgespike.converters", "edgespike.nn", "edgespike.cli"],
    "edgespike/api.py": ["edgespike.nn", "edgespike.cli"],
    "edgespike/models/__init__.py": ["edgespike.converters", "edgespike.nn", "edgespike.targets"],
}
"""For each part of the tree, what it knows nothing of."""


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("part", FORBIDDEN)
def test_a_part_knows_nothing_of_what_comes_after_it(part: str) -> None:
    place = ROOT / part
    files = [place] if place.suffix else sorted(place.rglob("*.py"))
    assert files
    found = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files
        for name in imports(path)
        for banned in FORBIDDEN[part]
        if name == banned or name.startswith(f"{banned}.")
    ]
    assert found == []
