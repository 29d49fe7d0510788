"""What pyproject.toml cannot say: the native engine, and the description on a package index.

The description is README.md without what only works in the source tree.
"""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

_NOTE = "Files and folders that this page names are those of the source distribution.\n\n"

_PARTS = re.compile(
    r"^```.*?^```$|^    .*?$|`[^`\n]*`"  # code, which stays as it is
    r"|!\[[^\]]*\]\((?!https:)[^)]*\)\n*"
    r"|\[(?P<text>[^\]]*)\]\((?!https:)[^)]*\)",
    re.MULTILINE | re.DOTALL,
)


def _part(found: re.Match[str]) -> str:
    if found[0].startswith("!["):
        return ""
    text = found["text"]
    return found[0] if text is None else text


def description(readme: str) -> str:
    """Return a README whose relative pictures are left out and whose relative links are text."""
    title, _, rest = _PARTS.sub(_part, readme).partition("\n\n")
    return f"{title}\n\n{_NOTE}{rest}"


class BuildEngine(build_ext):
    """Compiles the files of an extension at the same time: some take five seconds."""

    def build_extension(self, ext: Extension) -> None:
        """Compile and link an extension."""
        one_by_one = self.compiler.compile

        def together(sources: list[str], **settings: Any) -> list[str]:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                made = list(pool.map(lambda source: one_by_one([source], **settings), sources))
            return [path for paths in made for path in paths]

        self.compiler.compile = together
        super().build_extension(ext)


without_engine = os.environ.get("EDGESPIKE_WITHOUT_ENGINE", "") not in ("", "0")

setup(
    cffi_modules=[] if without_engine else ["edgespike/targets/cpu/native/build.py:ffibuilder"],
    cmdclass={"build_ext": BuildEngine},
    # One wheel for all Pythons; without an engine, one for all processors too.
    options={} if without_engine else {"bdist_wheel": {"py_limited_api": "cp310"}},
    long_description=description(Path(__file__).with_name("README.md").read_text("utf-8")),
    long_description_content_type="text/markdown",
)
