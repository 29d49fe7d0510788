"""How Sphinx builds this site: ``make docs``, or ``sphinx-build -W docs docs/_build/html``."""

from __future__ import annotations

import re
import sys
from importlib.metadata import version as version_of
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "edgespike"
copyright = "the edgespike authors, Apache-2.0"
version = release = version_of("edgespike")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "mathml",
    "repository_links",
    "command_reference",
]
exclude_patterns = ["_build"]
smartquotes_action = "D"  # dashes alone; an option is a literal everywhere, and keeps its own
suppress_warnings = ["myst.header"]  # a page of results may begin at H2

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3

html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = f"edgespike {release}"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"

# Named results of numpydoc sections are parameters; types stand in the signature.
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_attr_annotations = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
autodoc_type_aliases = {name: name for name in ("NDArray[Any]", "Integers", "Operation")}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 140
autosummary_generate = False


_ARRAY = re.compile(r"~numpy\.ndarray\[tuple\[[^\]]*\], ~numpy\.dtype\[([^\[\]]*)\]\]")


def _shorten_arrays(*arguments: object) -> tuple[str | None, str | None]:
    """Return a signature in which an array's type reads as in the code, NDArray."""
    signature, returned = (
        _ARRAY.sub(r"~numpy.typing.NDArray[\1]", part) if isinstance(part, str) else None
        for part in arguments[-2:]
    )
    return signature, returned


_STAR = re.compile(r"(?<![`\w*(])([ (])\*(?=\w)")


def _escape_stars(*arguments: object) -> None:
    """Keep the star of a shape, (samples, *shape), from beginning an emphasis."""
    lines = arguments[-1]
    if isinstance(lines, list):
        lines[:] = [line if "`" in line else _STAR.sub(r"\1\*", line) for line in lines]


def setup(app: Sphinx) -> None:
    """Register what has no setting."""
    app.connect("autodoc-process-signature", _shorten_arrays)
    app.connect("autodoc-process-docstring", _escape_stars)
