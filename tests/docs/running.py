"""Run the fenced blocks of a page, one after the other, in one folder.

A bash block is a shell script. A Python block runs in one session for the whole page, unless its
first line is a comment that names a file, ``# net.py``; then it is written there, as is a TOML
block. A text block is part of what the block before it printed: ``...`` stands for anything, and
all space is one space.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

from sybil import Example, Sybil
from sybil.parsers.myst import CodeBlockParser

LIMIT_SECONDS = 300
_FILE = re.compile(r"# ([\w-]+\.(?:py|toml))\n")


def run_page(page: Path, folder: Path) -> int:
    """Run a page's blocks in an existing folder, which is the current one, and return how many.

    Raises
    ------
    SybilFailure
        A block failed, or printed something else than the page says.
    """
    sybil = Sybil([CodeBlockParser(language, run) for language, run in EVALUATORS.items()])
    document = sybil.parse(page)
    document.namespace.update(folder=folder, printed="", session={"__name__": "__main__"})
    blocks = list(document.examples())
    for block in blocks:
        block.evaluate()
    return len(blocks)


def _bash(example: Example) -> str | None:
    here = Path(sys.executable).parent
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", example.parsed],
        cwd=example.namespace["folder"],
        env={**os.environ, "PATH": f"{here}:{os.environ['PATH']}", "COLUMNS": "80"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    example.namespace["printed"] = done.stdout
    return None if done.returncode == 0 else f"exit code {done.returncode}:\n{done.stdout}"


def _python(example: Example) -> str | None:
    if _write(example) is None:
        return None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(example.parsed, str(example.path), "exec"), example.namespace["session"])
    example.namespace["printed"] = printed.getvalue()
    return None


def _write(example: Example) -> str | None:
    name = _FILE.match(example.parsed)
    if name is None:
        return "the block's first line names no file"
    (example.namespace["folder"] / name[1]).write_text(example.parsed)
    return None


def _text(example: Example) -> str | None:
    wanted, printed = str(example.parsed), example.namespace["printed"]
    pieces = [re.escape(" ".join(piece.split())) for piece in wanted.split("...")]
    if re.search(".*".join(pieces), " ".join(printed.split())):
        return None
    return f"the page says:\n{wanted}\nprinted was:\n{printed}"


EVALUATORS = {"bash": _bash, "python": _python, "toml": _write, "text": _text}
