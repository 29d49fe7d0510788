"""Files as they are written, with ``<<name>>`` where something is filled in."""

from __future__ import annotations

import re
from importlib import resources

_PLACE = re.compile(r"<<(\w+)>>")


def template(package: str, name: str) -> str:
    """Return the text of a template: ``templates/NAME.txt`` in the folder of a package."""
    place = resources.files(package).joinpath("templates", f"{name}.txt")
    return place.read_text("utf-8")


def fill(package: str, name: str, /, **values: object) -> str:
    """Fill a template in; each place must have a value."""
    return _PLACE.sub(lambda found: str(values[found[1]]), template(package, name))
