"""Data of one's own: arrays, folders of images, CSV files and recordings, as samples and labels."""

from __future__ import annotations

from edgespike.data.own.options import DataOptions
from edgespike.data.own.parts import OwnData, Part

__all__ = ["DataOptions", "OwnData", "Part"]
