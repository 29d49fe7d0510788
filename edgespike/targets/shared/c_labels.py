"""Write the scaling of measured numbers, numbers and text in C."""

from __future__ import annotations

import string
from dataclasses import dataclass

from edgespike.graph import Graph, Scaling

_MEASURED_H = """\
#ifndef {prefix}_MEASURED_H
#define {prefix}_MEASURED_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

/* How many measured numbers one step takes. */
#define {prefix}_MEASURED_SIZE {size}

/* Turns measured numbers into the model's input, in the same order.
   Returns 1; or 0, and writes nothing, if a number is infinite or NaN. */
int {prefix}_from_measured(const double measured[{prefix}_MEASURED_SIZE],
{indent}{stored} input[{prefix}_MEASURED_SIZE]);

#ifdef __cplusplus
}}
#endif

#endif
"""

_MEASURED_C = """\
#include "{header}"

#include <float.h>
#include <math.h>

#if DBL_MANT_DIG != 53
#error "a double must have 64 bits: set the compiler's option for that"
#endif
#if defined(__FAST_MATH__) || FLT_EVAL_METHOD < 0 || FLT_EVAL_METHOD > 1
#error "this must round like IEEE 754: compile it without -ffast-math, and not for the x87"
#endif

/* An array of size -1 if the compiler takes 0.5 for a float (-fsingle-precision-constant). */
typedef char constants_are_doubles[sizeof(0.5) == sizeof(double) ? 1 : -1];

#define LEAST {low}
#define MOST {high}
#define SCALES {scales}

static const double offset[SCALES] = {{{offset}}};
static const double step[SCALES] = {{{step}}};

int {prefix}_from_measured(const double measured[{prefix}_MEASURED_SIZE],
{indent}{stored} input[{prefix}_MEASURED_SIZE]) {{
  long i;
  for (i = 0; i < {prefix}_MEASURED_SIZE; ++i) {{
    if (!isfinite(measured[i])) {{
      return 0;
    }}
  }}
  for (i = 0; i < {prefix}_MEASURED_SIZE; ++i) {{
    const double x = (measured[i] - offset[i % SCALES]) / step[i % SCALES] + 0.5;
    {whole} whole = x < LEAST ? LEAST : MOST;
    if (x >= LEAST && x < MOST) {{
      whole = ({whole})x;
      whole -= whole > x; /* the cast rounds towards 0 */
    }}
    input[i] = {value};
  }}
  return 1;
}}
"""

_SCALING = """
`{prefix}_from_measured` computes floor((x - offset) / step + 1/2) in double, clips it to
{low}..{high} and stores it. It is exact wherever a double has 64 bits and rounds as IEEE 754 says;
with a compiler or an option for which that does not hold it does not compile.
"""

_INT32 = 2**31 - 1

_AS_THEY_ARE = frozenset(f"{string.ascii_letters}{string.digits} -_.,:;/()+'".encode())
"""Bytes that mean themselves in a C string."""


@dataclass(frozen=True)
class StoredInput:
    """How a model's input is stored.

    Parameters
    ----------
    type
        In C.
    zero_point
        What is added to a whole number; 0 for a floating-point type.
    unit
        What a whole number is multiplied by in a floating-point type; ``None`` for integers.
    """

    type: str
    zero_point: int = 0
    unit: float | None = None

    def of_whole(self) -> str:
        """Return the stored number of ``whole`` as a C expression."""
        if self.unit is None:
            return f"({self.type})(whole + {self.zero_point})".replace("+ -", "- ")
        return f"({self.type})(whole * {c_double(self.unit)})"


def measured_h(prefix: str, size: int, stored: StoredInput) -> str:
    """Declare the function that scales measured numbers, ``size`` for one run of the model."""
    return _MEASURED_H.format(prefix=prefix, size=size, stored=stored.type, indent=_indent(prefix))


def measured_c(
    prefix: str,
    scaling: Scaling,
    low: int,
    high: int,
    stored: StoredInput,
) -> str:
    """Define the function that scales measured numbers, exactly as `Scaling.apply` does.

    Measured numbers have the axis that the scaling's numbers are for last.
    """
    wide = max(-low, high) > _INT32
    return _MEASURED_C.format(
        header=f"{prefix}-measured.h",
        prefix=prefix,
        low=f"INT64_C({low})" if wide else low,
        high=f"INT64_C({high})" if wide else high,
        whole="int64_t" if wide else "int32_t",
        scales=len(scaling.offset),
        offset=_doubles(scaling.offset),
        step=_doubles(scaling.step),
        stored=stored.type,
        value=stored.of_whole(),
        indent=_indent(prefix),
    )


def scaling_note(graph: Graph, prefix: str) -> str:
    """Say in Markdown what that function does; empty for a graph without a scaling."""
    if graph.scaling is None:
        return ""
    op = graph.input_op
    return _SCALING.format(prefix=prefix, low=op.low, high=op.high)


def _indent(prefix: str) -> str:
    return " " * len(f"int {prefix}_from_measured(")


def _doubles(values: tuple[float, ...]) -> str:
    rows = "".join(f"\n  {c_double(value)}, /* {value!r} */" for value in values)
    return f"{rows}\n"


def c_double(value: float) -> str:
    """Return a finite float64 as a C constant that is read exactly."""
    return value.hex()


def c_string(text: str) -> str:
    """Return text as a C string in UTF-8, whatever the compiler takes the file's letters for."""
    return '"' + "".join(map(_escaped, text.encode())) + '"'


def _escaped(byte: int) -> str:
    # A question mark may begin a trigraph. An octal escape ends after three digits.
    return chr(byte) if byte in _AS_THEY_ARE else f"\\{byte:03o}"
