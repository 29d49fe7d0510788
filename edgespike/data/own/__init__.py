"""Data of one's own: arrays, folders of images, CSV files and recordings, as samples and labels."""

from __future__ import annotations

from edgespike.data.own.faults import DataError
from edgespike.data.own.options import DataOptions
from edgespike.data.own.parts import OwnData, Part
from edgespike.data.own.reading import read_data

__all__ = ["DataError", "DataOptions", "OwnData", "Part", "read_data"]
