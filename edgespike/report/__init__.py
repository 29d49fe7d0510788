"""Energy reports for people: tables on a terminal, and one HTML page (extra ``report``)."""

from __future__ import annotations

from edgespike.report.classes import confusion_matrix
from edgespike.report.page import write_page
from edgespike.report.terminal import print_report

__all__ = ["confusion_matrix", "print_report", "write_page"]
