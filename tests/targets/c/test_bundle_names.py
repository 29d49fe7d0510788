"""Names that are no identifiers, clash, or are very long: programs compile and stay exact."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgespike.graph import Dense, Graph, Input, Membrane, Node, Readout
from edgespike.interpreter import interpret
from edgespike.targets import prepare
from edgespike.targets.c.lower import lower
from edgespike.targets.c.names import KINDS, prefix_of, title_of
from edgespike.targets.shared.c_names import HEADERS
from tests.example_graphs import weights
from tests.targets.c.bundles import (
    C99,
    RULES,
    build_check,
    export_to,
    prefix,
    renamed,
    run,
    sources,
    tool,
)
from tests.targets.c.bundles import GRAPHS as BUNDLED
from tests.targets.tflite.networks import NETWORKS


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("fashion_rnn", "fashion_rnn"),
        ("a.b-c", "a_b_c"),
        ("2nd", "net_2nd"),
        ("_hidden", "net__hidden"),
        ("int", "int"),  # names are int_run and so on
        ("class", "class"),
        ("string", "net_string"),  # string.h is another file
        ("StdInt", "net_StdInt"),  # as it is where file names have no case
        ("run", "net_run"),  # names inside the source are run_conv1 and so on
        ("step_2", "net_step_2"),
        ("weights.new", "net_weights_new"),
        ("runner", "runner"),
    ],
)
def test_what_names_begin_with(name: str, wanted: str) -> None:
    assert prefix_of(name) == wanted


def test_names_inside_a_source_begin_with_words_that_no_prefix_begins_with() -> None:
    """No other words, and all of them: no prefix is changed for nothing."""
    found = set()
    graphs = [make() for make in (*BUNDLED.values(), *NETWORKS.values())]
    for graph in (*graphs, with_currents("a", "b")):
        program, _ = lower(graph)
        text = "".join((*program.constants, *program.functions))
        names = re.findall(r"^static (?:const )?(?:struct )?\w+ (\w+)", text, re.MULTILINE)
        found |= {each.split("_")[0] for each in names}
    assert found == KINDS


def test_headers_of_the_c_library_are_known() -> None:
    folder = Path("/usr/include")
    names = ("assert", "ctype", "errno", "math", "stdio", "stdlib", "string", "time", "stdint")
    if not (folder / "stdio.h").exists():
        pytest.skip("no C library's headers are installed")
    assert {name for name in names if (folder / f"{name}.h").exists()} <= HEADERS


GRAPH_NAMES = [
    "run",
    "step",
    "weights",
    "theta",
    "string",
    "stdint",
    "int",
    "class",
    "net",
    "INPUT",
    "NETWORK",
    "linux",
    "2nd.x",
    "a" * 200,
    "-".join(["x", "y.z"] * 3),
]

NODE_NAMES = {
    "public": ["init", "step", "run", "input", "output", "answer", "net", "observed", "INPUT_SIZE"],
    "keywords": ["class", "int", "template", "new", "this", "static", "while", "uint8_t", "memset"],
    "alike": ["a.b", "a-b", "a_b", "a__b", "a_b_2", "a_b.2", "A_b", "a_B", "a"],
    "long": [f"{'n' * 900}{i}" for i in range(9)],
    "signs": ["_", "__", "_-", "_.", "_._", "0", "00", "0_", "_0"],
    "parts": ["i", "c", "o", "y", "x", "to", "source", "sums", "words"],
}
"""Names of the nine nodes of the residual graph after its input, or all ten but the last."""


@pytest.mark.parametrize("nodes", NODE_NAMES)
def test_nodes_may_have_any_names(nodes: str, tmp_path: Path) -> None:
    for name in ("network", "run"):
        graph = BUNDLED["residual"]()
        names = dict(zip([node.name for node in graph.nodes[1:]], NODE_NAMES[nodes], strict=True))
        folder = export_to(tmp_path)(renamed(graph, name, names))
        assert run(build_check(folder), cwd=folder).startswith("ok: ")


@pytest.mark.parametrize("name", GRAPH_NAMES)
def test_a_graph_may_have_any_name(name: str, tmp_path: Path) -> None:
    nodes = {"conv1": "step", "spike1": "run", "conv2": "init", "spike2": "input", "dense": "net"}
    graph = replace(renamed(BUNDLED["residual"](), name, nodes), class_names=("x", "y", "z"))
    folder = export_to(tmp_path)(graph)
    assert run(build_check(folder), cwd=folder).startswith("ok: ")
    headers = "".join(f'#include "{each.name}"\n' for each in (folder / "src").glob("*.h"))
    (folder / "main.cc").write_text(f"{headers}int main() {{ return 0; }}\n")
    run(tool("g++"), *RULES, "-I", "src", "main.cc", "-o", "program", cwd=folder)


def with_currents(first: str, second: str) -> Graph:
    """Return two layers of membranes, both with decays of potential and current of their own."""

    def membrane(seed: int) -> Membrane:
        rng = np.random.default_rng(seed)
        decays = (rng.integers(0, 4096, 6) for _ in range(2))
        least = rng.integers(-300, -100, 6)
        return Membrane(np.full(6, 4), decay=next(decays), decay_syn=next(decays), floor=least)

    nodes = (
        Node("events", Input((5,), 0, 3, 1.0)),
        Node("dense1", Dense(weights(7, 6, 5), weights(8, 6)), ("events",)),
        Node(first, membrane(1), ("dense1",)),
        Node("dense2", Dense(weights(9, 6, 6), weights(10, 6)), (first,)),
        Node(second, membrane(2), ("dense2",)),
        Node("dense3", Dense(weights(11, 2, 6), weights(12, 2)), (second,)),
        Node("out", Readout(np.ones(2)), ("dense3",)),
    )
    return Graph("currents", nodes, 6)


@pytest.mark.parametrize(
    "names",
    [("a", "current_a"), ("current_a", "a"), ("a", "syn_a"), ("x_theta", "theta_x"), ("a", "a_")],
)
def test_nodes_named_like_what_belongs_to_another_keep_their_own(names: tuple[str, str]) -> None:
    tool("cc")
    graph = with_currents(*names)
    samples = np.random.default_rng(3).integers(0, 4, (20, 6, 5))
    found, wanted = prepare(graph, "c").trace(samples), interpret(graph, samples)
    for name in (*names, "out"):
        np.testing.assert_array_equal(found.values[name], wanted.values[name])
    assert wanted.values[names[1]].any()


PAIRS = {
    "one is the other's beginning": ("a", "a_check"),
    "both ways": ("x_run", "x"),
    "files alike": ("b", "b-check"),
    "macros alike": ("c", "c_CHECK"),
    "classes": ("d", "d.classes"),
    "guards": ("e", "e_NETWORK"),
    "steps": ("f", "f_step"),
}

TWO = """
#include <stdio.h>
#include "ONE-check.h"
#include "TWO-check.h"
#include "ONE-classes.h"
#include "TWO-classes.h"
static ONE_net one;
static TWO_net two;
int main(void) {
  const ONE_output *first = ONE_run(&one, ONE_check_inputs[0]);
  const TWO_output *second = TWO_run(&two, TWO_check_inputs[0]);
  const int found[2] = {(int)ONE_classify(first), (int)TWO_classify(second)};
  printf("%u %u %d %d %d %d\\n", (unsigned)ONE_check(&one), (unsigned)TWO_check(&two),
         (int)(sizeof ONE_HASH - 1), (int)(sizeof TWO_HASH - 1),
         found[0] == (int)ONE_check_classes[0], found[1] == (int)TWO_check_classes[0]);
  return 0;
}
"""


@pytest.mark.parametrize("compiler", ["cc -std=c99", "g++"])
@pytest.mark.parametrize("names", PAIRS.values(), ids=PAIRS)
def test_two_networks_run_in_one_program(
    names: tuple[str, str], compiler: str, tmp_path: Path
) -> None:
    graphs = (BUNDLED["residual"](), BUNDLED["recurrent"]())
    folders = [
        export_to(tmp_path)(replace(graph, name=name))
        for graph, name in zip(graphs, names, strict=True)
    ]
    one, two = map(prefix, folders)
    (tmp_path / "main.c").write_text(TWO.replace("ONE", one).replace("TWO", two))
    included = [option for folder in folders for option in ("-I", folder / "src")]
    objects = []
    for folder in folders:
        files = sources(folder)
        run(tool("cc"), *C99, "-I", folder / "src", "-c", *files, cwd=folder)
        objects += [folder / f"{path.stem}.o" for path in files]
    name, *options = compiler.split()
    given = ["-x", "c++"] if name == "g++" else []
    command = [tool(name), *options, *RULES, *included, *given, "main.c", "-x", "none", *objects]
    run(*command, "-o", "program", cwd=tmp_path)
    assert run(tmp_path / "program", cwd=tmp_path) == "0 0 64 64 1 1\n"


@pytest.mark.parametrize(
    ("name", "title"),
    [("fashion_rnn", "fashion_rnn"), ("_x", "x"), ("__", "network"), ("a" * 63, "a" * 63)],
)
def test_packages_are_named_after_the_graph(name: str, title: str) -> None:
    assert title_of(name) == title


def test_long_names_of_packages_stay_different() -> None:
    titles = {title_of("a" * 150 + each) for each in "bcd"}
    assert len(titles) == 3
    assert all(len(title) == 63 and title.isascii() for title in titles)
