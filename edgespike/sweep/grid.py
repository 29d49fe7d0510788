"""The points of a sweep: every combination of the values of some settings of a recipe."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from edgespike.errors import EdgespikeError, InputError, shown

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from edgespike.nn import Draft, Recipe

Value = bool | int | float | str

POINT_LIMIT = 100_000
"""Most points of a sweep."""

_OF_DATA = ("net.input_shape", "net.classes", "net.signed")
"""Settings that the data decides."""

PENALTY_WEIGHT = "lambda"
OF_PENALTY = ("penalty", "p")
"""Settings that mean nothing where the weight of the penalty is 0."""

_OLD_NAMES = {"penalty_cost": "penalty", "penalty_power": "p"}
"""Entries of older recipes; rows of the table have those of today."""

_RANGE = re.compile(r"(-?\d{1,18})\.\.(-?\d{1,18})")


@dataclass(frozen=True)
class Axis:
    """A setting of a recipe and the values that it takes.

    Parameters
    ----------
    name
        An entry of the recipe, such as ``seed``, or one of its net, ``net.activation_states``.
    values
        All different.
    """

    name: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Point:
    """One training of a sweep.

    Parameters
    ----------
    id
        Follows from the whole recipe: the same training has the same id in every sweep.
    recipe
        What is trained.
    settings
        The swept settings with their values, as they were given.
    """

    id: str
    recipe: Recipe
    settings: Mapping[str, Value]

    @property
    def label(self) -> str:
        """The settings in words, ``lambda=1e-09 seed=2``."""
        return label_of(self.settings)


def label_of(settings: Mapping[str, Value]) -> str:
    """Return settings in words, ``lambda=1e-09 seed=2``."""
    return " ".join(f"{name}={value}" for name, value in settings.items()) or "the recipe as it is"


def read_axis(text: str) -> Axis:
    """Read ``SETTING=VALUE,VALUE,...``; a value may be a range of whole numbers, ``1..5``.

    Values are read as TOML reads them, words without quotes as text.

    Raises
    ------
    InputError
        The text has another form, or a value stands there twice.
    """
    name, equals, listed = text.partition("=")
    parts = [part.strip() for part in listed.split(",")]
    if not equals or not name.strip() or not all(parts):
        raise InputError(
            f"--over is {shown(text)}; give a setting of the recipe and its values, such as "
            "lambda=0,1e-9,5e-9 or seed=1..3"
        )
    values = tuple(value for part in parts for value in _values(name, part))
    seen: set[Value] = set()
    for value in values:
        if value in seen:
            raise InputError(f"--over {name} has {shown(value)} twice; give each value once")
        seen.add(value)
    return Axis(name.strip(), values)


def _values(name: str, text: str) -> Sequence[Value]:
    if found := _RANGE.fullmatch(text):
        first, last = map(int, found.groups())
        if not first <= last < first + POINT_LIMIT:
            raise InputError(
                f"--over {name} has the range {text}; it goes upwards, over at most "
                f"{POINT_LIMIT:,} numbers"
            )
        return range(first, last + 1)
    try:
        value = tomllib.loads(f"x = {text}")["x"]
    except (tomllib.TOMLDecodeError, ValueError, RecursionError):
        value = text
    return [value if isinstance(value, bool | int | float | str) else text]


def points_of(recipe: Recipe, draft: Draft, axes: Sequence[Axis]) -> list[Point]:
    """Return all combinations of the axes' values, the last axis changing fastest.

    Parameters
    ----------
    recipe
        The draft's recipe with the data's input and classes, as ``draft.read()`` returned it.
    draft
        The recipe as its file states it.
    axes
        None is named twice.

    Returns
    -------
    list of Point
        Without penalty, kind and power do not matter: of combinations that differ in these alone,
        the first one stands for all.

    Raises
    ------
    InputError
        A setting is named twice, is of the data, has a name or values of older recipes, or two
        combinations are the same training; or the recipe does not have a setting or cannot take a
        value.
    """
    names = [axis.name for axis in axes]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"--over names {name} twice; give all its values in one list")
        if name.partition(".")[0] == "data":
            raise InputError(
                f"--over {name}: points on different data cannot be compared; make a sweep of each"
            )
        if name in _OF_DATA:
            raise InputError(f"--over {name}: this follows from the data; leave it out")
        if name.partition(".")[0] == "posterior":
            raise InputError(
                f"--over {name}: a point of a sweep is one net, not a mixture; leave it out"
            )
    for axis in axes:
        _check_values(axis)
    count = 1
    for axis in axes:
        count *= len(axis.values)
    if count > POINT_LIMIT:
        raise InputError(f"the sweep has {count:,} points; the limit is {POINT_LIMIT:,}")
    whole = replace(draft, table={**draft.table, "net": _whole_net(draft, recipe)})
    points = [
        _point(whole, dict(zip(names, values, strict=True)))
        for values in product(*(axis.values for axis in axes))
    ]
    _check_strengths(axes, points)
    first: dict[str, Point] = {}
    for point in points:
        same = first.setdefault(point.id, point)
        if same is not point and _of_penalty(same) == _of_penalty(point):
            raise InputError(
                f"--over: {same.label} and {point.label} are the same training; leave one out"
            )
    return list(first.values())


def _of_penalty(point: Point) -> list[Any]:
    return [getattr(point.recipe, name) for name in OF_PENALTY]


def _check_values(axis: Axis) -> None:
    numbers = any(isinstance(value, int | float) for value in axis.values)
    today = _OLD_NAMES.get(axis.name)
    if axis.name == "penalty" and numbers:
        today = PENALTY_WEIGHT
    if today is not None:
        raise InputError(
            f"--over {axis.name}={axis.values[0]}: this is written {today} since recipes name the "
            f"kind of the penalty; give --over {today}=..."
        )
    if axis.name == "limit" and len(axis.values) > 1:
        raise InputError(
            "--over limit: nets that were counted on different samples cannot be compared; give "
            "one value, or make a sweep of each"
        )


def _check_strengths(axes: Sequence[Axis], points: Sequence[Point]) -> None:
    """Refuse kinds or powers of a penalty whose strength is 0 everywhere."""
    if any(point.recipe.lambda_ for point in points):
        return
    for axis in axes:
        if axis.name in OF_PENALTY and len(axis.values) > 1:
            raise InputError(
                f"--over {axis.name}: lambda is 0 in all points, so that the nets do not differ; "
                "give also --over lambda=..., with values above 0"
            )


def _whole_net(draft: Draft, recipe: Recipe) -> Any:
    """Return the net's table as the file states it, with what it leaves to the data."""
    net = draft.table.get("net")
    found = recipe.net.to_table()
    of_data = {name: found[name] for name in ("input_shape", "classes", "signed") if name in found}
    return {**of_data, **net} if isinstance(net, Mapping) else net


def _point(draft: Draft, settings: Mapping[str, Value]) -> Point:
    table: Any = dict(draft.table)
    for name, value in settings.items():
        table = _with(table, name.split("."), value)
    try:
        recipe = replace(draft, table=table).recipe()
    except EdgespikeError as error:
        raise InputError(f"the sweep cannot train {label_of(settings)}: {error}") from None
    return Point(identity(recipe), recipe, settings)


def _with(table: Any, names: Sequence[str], value: Value) -> Any:
    """Return a copy of nested tables with another entry."""
    inner = dict(table) if isinstance(table, Mapping) else {}
    first, *rest = names
    inner[first] = _with(inner.get(first), rest, value) if rest else value
    return inner


def identity(recipe: Recipe) -> str:
    """Return what stands for a recipe in names of files: equal for equal recipes, 16 characters.

    The paths of data of one's own and of a teacher do not count, since the files may have moved;
    the teacher's content does. Nor do the kind and power of a penalty of weight 0, a teacher from
    which nothing is learnt, and entries that have their default: a later edgespike, which may know
    more entries, finds the same points.
    """
    if recipe.lambda_ == 0:
        recipe = replace(recipe, **{name: getattr(type(recipe), name) for name in OF_PENALTY})
    stated = _stated(recipe)
    stated.pop("teacher", None)
    if teacher := teacher_of(recipe):
        stated["teacher"] = teacher
    content = json.dumps(stated, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _stated(value: Any) -> Any:
    """Return nested dataclasses as tables of what is not the default; 0 and 0.0 are the same."""
    if is_dataclass(value):
        entries = {
            field.name: _stated(getattr(value, field.name))
            for field in fields(value)
            if getattr(value, field.name) != field.default
        }
        if type(value).__name__ == "DataOptions":
            del entries["path"]
        return {"kind": type(value).__name__, **entries}
    if isinstance(value, list | tuple):
        return [_stated(entry) for entry in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def teacher_of(recipe: Recipe) -> str:
    """Return the SHA-256 of the file from which the net learns; empty if there is none.

    Raises
    ------
    InputError
        The file cannot be read.
    """
    from edgespike.nn.training.teacher import teacher_sha256

    return teacher_sha256(recipe.teacher) if recipe.distillation > 0 else ""


def settings_of(recipe: Recipe) -> dict[str, Value]:
    """Return all settings of a recipe that are one value, by the names that ``--over`` gives.

    A teacher stands there as the first 16 characters of its SHA-256.
    """
    return {**dict(_flat("", recipe.to_table())), "teacher": teacher_of(recipe)[:16]}


def _flat(prefix: str, table: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            if name != "data":
                yield from _flat(f"{prefix}{name}.", value)
        elif isinstance(value, bool | int | float | str):
            yield f"{prefix}{name}", value
