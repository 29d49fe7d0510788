"""Figures of matplotlib as SVG elements inside a page."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgespike.extras import needs_extra

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#010203"
"""Placeholder for the page's text colour, replaced in the finished SVG; nothing else uses it."""


@dataclass(frozen=True)
class Width:
    """A width to draw for.

    Parameters
    ----------
    name
        Its class in the page's style.
    inches
        How wide, at 96 CSS pixels an inch.
    characters
        How many characters of a line fit.
    ticks
        How many numbers fit below an axis.
    columns
        How many entries of a legend fit beside each other.
    """

    name: str
    inches: float
    characters: int
    ticks: int
    columns: int

    def shorten(self, text: str) -> str:
        """Leave out the middle of a text that does not fit."""
        if len(text) <= self.characters:
            return text
        end = self.characters // 2
        return f"{text[: self.characters - end - 1]}…{text[-end:]}"


WIDTHS = (Width("narrow", 3.7, 40, 5, 1), Width("broad", 7.4, 80, 9, 3))
"""A phone of 390 pixels, and everything wider."""


@dataclass(frozen=True)
class Drawing:
    """A figure with one pair of axes."""

    figure: Figure
    axes: Axes


def drawing(width: Width, height: float) -> Drawing:
    """Return an empty figure, ``height`` in inches, whose lines and text are :data:`INK`.

    Raises
    ------
    EnvironmentMissingError
        The extra ``report`` is not installed.
    """
    with needs_extra("report", "the HTML report"):
        from matplotlib.figure import Figure
    figure = Figure(figsize=(width.inches, height), layout="constrained", facecolor="none")
    axes = figure.add_subplot(facecolor="none")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(INK)
    axes.tick_params(which="both", colors=INK)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(INK)
    return Drawing(figure, axes)


def legend(drawing: Drawing, width: Width) -> None:
    """Put a legend above the axes, where it covers nothing."""
    if drawing.axes.get_legend_handles_labels()[0]:
        drawing.figure.legend(
            loc="outside upper left", ncols=width.columns, frameon=False, labelcolor=INK
        )


def both(drawings: Sequence[Drawing], name: str, alt: str) -> Markup:
    """Return one SVG element for each of :data:`WIDTHS`, the same for the same numbers.

    Parameters
    ----------
    drawings
        What to show at each of :data:`WIDTHS`.
    name
        Beginning of all ids inside.
    alt
        The text alternative.
    """
    from markupsafe import Markup

    return Markup(
        "\n".join(
            _embedded(_svg(drawing.figure), f"{name}-{width.name}", alt, width)
            for drawing, width in zip(drawings, WIDTHS, strict=True)
        )
    )


def _svg(figure: Figure) -> str:
    import matplotlib

    text = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with matplotlib.rc_context({"svg.hashsalt": "edgespike", "svg.fonttype": "none"}):
        figure.savefig(text, format="svg", metadata=nothing)
    return text.getvalue()


def _embedded(svg: str, name: str, alt: str, width: Width) -> str:
    svg = svg[svg.index("<svg") :]
    # A style element would affect the whole page, and ids must be unique in it.
    svg = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = svg.replace("xlink:href", "href")
    svg = re.sub(r'(\bid="|\bhref="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = svg.replace(INK, "currentColor")
    view = re.search(r'viewBox="[^"]*"', svg)
    frame = (
        f'<svg role="img" aria-label="{html.escape(alt)}" class="{width.name}" '
        f'width="{round(96 * width.inches)}" {view.group() if view else ""}>'
    )
    return re.sub(r"<svg[^>]*>", lambda _: frame, svg, count=1)
