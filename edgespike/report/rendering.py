"""Fill in templates. Every value is escaped: names may come from an untrusted file."""

from __future__ import annotations

from typing import Any

from edgespike.extras import needs_extra
from edgespike.report.tables import Link


def render(template: str, **values: Any) -> str:
    """Return a template of ``templates/`` with its values.

    Raises
    ------
    EnvironmentMissingError
        The extra ``report`` is not installed.
    """
    with needs_extra("report", "the HTML report"):
        from jinja2 import Environment, PackageLoader, StrictUndefined
    environment = Environment(
        loader=PackageLoader("edgespike.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["link"] = lambda cell: isinstance(cell, Link)
    return environment.get_template(template).render(values)
