"""How data of one's own is read: the table ``[data]`` of a recipe."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DataOptions:
    """Where data is, and how it becomes samples.

    Parameters
    ----------
    path
        A file or folder; in a recipe file, a relative path is relative to the file.
    test
        Share of the samples that are kept for testing, above 0 and below 1, where the source does
        not separate them itself.
    validation
        Share of the remaining samples that are kept for validation, 0 to below 1.
    group
        Column of a CSV file, such as a person, none of whose values may be in two parts; empty if
        samples are independent.
    label
        Column of a CSV file with the class.
    recording
        Column of a CSV file whose values name recordings: rows in time order. Without such a
        column each row is a sample.
    window, stride
        Rows of a window of a recording, and rows from the start of one to that of the next;
        ``stride`` 0 for windows that touch. ``window`` 0 takes each recording whole.
    size
        Height and width to which images are resized; empty to refuse images of different sizes.
    grey
        Read images as one channel.
    seed
        Of the split.
    """

    path: str
    test: float = 0.2
    validation: float = 0.1
    group: str = ""
    label: str = "label"
    recording: str = "recording"
    window: int = 0
    stride: int = 0
    size: tuple[int, ...] = ()
    grey: bool = False
    seed: int = 0
