"""How the plots of the benchmarks look; importing it makes matplotlib write SVG."""

from __future__ import annotations

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update(
    {
        "svg.hashsalt": "edgespike",
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 11,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "savefig.facecolor": "white",  # the same picture on a dark page
    }
)

INK, GRID = "#374151", "#e5e7eb"
