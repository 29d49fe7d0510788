"""The errors that edgespike raises on purpose.

Each message names the object, the value found, the limit and the way out. The command line
prints the message without a stack trace and exits with code 2.
"""

from __future__ import annotations

from collections.abc import Iterable

SHOWN_CHARACTERS = 40
"""How many characters of a value a message shows."""


def shown(value: object) -> str:
    """Return a value as messages show it: on one line, and shortened where it is long."""
    try:
        text = repr(value).replace("\n", " ")
    except ValueError:  # Python does not print integers of more than 4,300 digits
        return f"{type(value).__name__} of thousands of digits"
    except RecursionError:
        return f"{type(value).__name__} nested too deeply to be shown"
    if len(text) <= SHOWN_CHARACTERS:
        return text
    return f"{text[:SHOWN_CHARACTERS]}... ({len(text)} characters)"


def named(name: str) -> str:
    """Return a name as messages show it: bare where it is short and plain, else as `shown`."""
    plain = name.isprintable() and name.split() == [name] and len(name) <= SHOWN_CHARACTERS
    return name if plain else shown(name)


class EdgespikeError(Exception):
    """Base class of all errors that edgespike raises on purpose."""


class ViolationsError(EdgespikeError):
    """Several things are wrong at once; all of them are listed.

    Parameters
    ----------
    what
        What was being checked, as the start of a sentence ("graph 'mnist' cannot run on loihi").
    violations
        One line each: object, value, limit and way out.
    """

    def __init__(self, what: str, violations: Iterable[str]) -> None:
        self.what = what
        self.violations = tuple(violations)
        lines = "".join(f"\n  - {line}" for line in self.violations)
        super().__init__(f"{what}:{lines}")


class GraphError(ViolationsError):
    """A graph is not valid: its shapes, ranges or connections do not fit together."""


class InputError(EdgespikeError):
    """Input data is missing or does not fit: shape, dtype, range, or values that are not finite."""


class FileFormatError(EdgespikeError):
    """A file is truncated, changed, of another kind, or of an unknown version."""


class UnsupportedError(ViolationsError):
    """A model, an operation or a value is outside what a converter or target can do exactly."""


class EnvironmentMissingError(EdgespikeError):
    """A runtime, package or data set is not installed; the message says how to get it."""


class TargetRunError(EdgespikeError):
    """A target's runtime failed, timed out or died."""
