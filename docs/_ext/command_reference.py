"""The directive ``commands``: every command, option and example, from the application itself.

typer comes with a click of its own, which sphinx-click does not take. What is printed here is what
``--help`` prints.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

_NAME = "edgespike"
_OPTION = re.compile(r"(?<![\w-])(--?[a-z][a-z-]*)(?![\w/])")


class Commands(SphinxDirective):
    """Describe the command line."""

    def run(self) -> list[nodes.Node]:
        """Return a section for each command."""
        from edgespike.cli.app import app

        group: Any = typer.main.get_command(app)
        sections = [self._section(_NAME, group)]
        sections += [
            self._section(f"{_NAME} {name}", group.commands[name]) for name in group.commands
        ]
        return sections

    def _section(self, name: str, command: Any) -> nodes.section:
        section = nodes.section(ids=[name.replace(" ", "-")], names=[name])
        section += nodes.title(text=name)
        self.state.document.note_explicit_target(section)
        lines = StringList(list(_lines(name, command)), source=f"{name} --help")
        self.state.nested_parse(lines, self.content_offset, section)
        return section


def _lines(name: str, command: Any) -> Iterator[str]:
    context = command.make_context(name, [], resilient_parsing=True)
    usage = command.collect_usage_pieces(context)
    yield from (".. code-block:: none", "", f"    {name} {' '.join(usage)}", "")
    yield from _text(command.help or "")
    example = command.epilog or ""
    if example.startswith("Example: "):
        command_line = example.removeprefix("Example: ")
        yield from ("Example:", "", ".. code-block:: none", "", f"    {command_line}", "")
    else:
        yield from _text(example)
    yield from (f".. program:: {name}", "")
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            words, help_text = record
            directive = "option" if parameter.param_type_name == "option" else "describe"
            yield from (f".. {directive}:: {words}", "", f"    {_escaped(help_text)}", "")


def _text(help_text: str) -> Iterator[str]:
    for paragraph in help_text.split("\n\n"):
        yield from (_escaped(" ".join(paragraph.split())), "")


def _escaped(text: str) -> str:
    """Return text without markup of reStructuredText, in which options are literals."""
    parts = _OPTION.split(text)
    return "".join(
        f"``{part}``" if place % 2 else re.sub(r"([\\*|_`])", r"\\\1", part)
        for place, part in enumerate(parts)
    )


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
