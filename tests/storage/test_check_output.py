"""A file is overwritten only if that was asked for, and an input never."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgespike.storage.files import WriteError, check_output


def test_a_new_file_may_be_written(tmp_path: Path) -> None:
    check_output(tmp_path / "new")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("through_link", [False, True])
def test_an_existing_file_is_overwritten_only_with_force(
    tmp_path: Path, through_link: bool
) -> None:
    out = file = tmp_path / "out"
    file.write_text("kept")
    if through_link:
        out = tmp_path / "link"
        out.symlink_to(file)
    with pytest.raises(WriteError) as caught:
        check_output(out)
    assert str(caught.value) == (
        f"cannot write {out}: it exists; choose another file, or overwrite it with --force"
    )
    check_output(out, force=True)
    assert file.read_text() == "kept"


def test_force_does_not_overwrite_an_input_or_a_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    with pytest.raises(WriteError, match="it is the input"):
        check_output(file, [None, file], force=True)
    with pytest.raises(WriteError, match="it is a folder"):
        check_output(tmp_path, force=True)
