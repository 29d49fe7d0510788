"""The bundle's templates."""

from __future__ import annotations

from functools import partial

from edgespike.targets.shared import templates

_PACKAGE = "edgespike.targets.c.bundle"

template = partial(templates.template, _PACKAGE)
fill = partial(templates.fill, _PACKAGE)
