"""Energy reports for people: tables on a terminal, and one HTML page (extra ``report``)."""

from __future__ import annotations

from edgespike.report.page import write_page
from edgespike.report.terminal import print_report

__all__ = ["print_report", "write_page"]
