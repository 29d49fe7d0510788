"""What a network's answers mean, in C: classes, their names and scales."""

from __future__ import annotations

import sys

import numpy as np

from edgespike.graph import Graph
from edgespike.targets.shared.c_labels import c_double, c_string
from edgespike.targets.shared.templates import fill

_PACKAGE = "edgespike.targets.shared"

_EXACT = 2**50
"""Numbers up to it whose products with one scale are different doubles if they are."""


def classes_h(graph: Graph, prefix: str) -> str:
    """Declare names of classes, scales, and the function that finds the class."""
    op = graph.readout_op
    names = (
        f"/* The name of each class, in UTF-8. */\n"
        f"extern const char *const {prefix}_class_names[{prefix}_CLASSES];\n"
        if graph.class_names
        else ""
    )
    if op.members == 1:
        classify = (
            "/* Return the class of an answer: the index of its largest logit, the first of equal "
            f"ones. */\nuint32_t {prefix}_classify(const {prefix}_output *answer);"
        )
    else:
        classify = (
            f"/* An answer holds the numbers of {op.members} members, one after the other. Its\n"
            "   class is the one with the largest mean of the members' softmax. There is no\n"
            "   function for it here: that takes exp. */"
        )
    return fill(
        _PACKAGE,
        "classes.h",
        name=graph.name,
        prefix=prefix,
        classes=op.classes,
        names=names,
        classify=classify,
    )


def classes_c(graph: Graph, prefix: str) -> str:
    """Define what :func:`classes_h` declares."""
    names = ""
    if graph.class_names:
        rows = ",\n".join(f"    {c_string(name)}" for name in graph.class_names)
        names = f"\nconst char *const {prefix}_class_names[{prefix}_CLASSES] = {{\n{rows}\n}};\n"
    scales = "".join(f"    {c_double(x)}, /* {x!r} */\n" for x in graph.readout_op.scale.tolist())
    classify = ""
    if graph.readout_op.members == 1:
        form = "integers" if compares_integers(graph) else "doubles"
        classify = fill(_PACKAGE, f"classify_{form}", prefix=prefix)
    return fill(_PACKAGE, "classes.c", prefix=prefix, names=names, scales=scales, classify=classify)


def compares_integers(graph: Graph) -> bool:
    """Return whether the largest number of an answer is always the largest logit.

    It is if all scales are equal, and numbers that are different, times the scale, are different
    doubles: none is rounded to another, to 0 or to infinity.
    """
    scales = graph.readout_op.scale
    scale = float(scales[0])
    largest = max(abs(end) for end in graph.tensors[graph.readout.name].bounds)
    if not (scales == scale).all() or largest > _EXACT or scale < sys.float_info.min:
        return False
    with np.errstate(over="ignore"):
        return bool(np.isfinite(np.float64(largest) * scale))


def classes_files(graph: Graph) -> str:
    """Say what is in the files of :func:`classes_h` and :func:`classes_c`."""
    parts = ["scales"]
    parts += ["names"] if graph.class_names else []
    parts += ["the function that finds the class"] if graph.readout_op.members == 1 else []
    return ", ".join(parts)
