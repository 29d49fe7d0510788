"""Several models side by side on the same samples: accuracy, operations, energy and size."""

from __future__ import annotations

from edgespike.comparison.comparing import (
    Comparison,
    ComparisonError,
    Row,
    choose_energy,
    compare_figures,
    overlap,
)
from edgespike.comparison.figures import Energy, Figures, LayerFigures, figures_of, read_figures
from edgespike.comparison.layers import LayerRow
from edgespike.comparison.running import run_figures, samples_hash
from edgespike.comparison.statistics import McNemar

__all__ = [
    "Comparison",
    "ComparisonError",
    "Energy",
    "Figures",
    "LayerFigures",
    "LayerRow",
    "McNemar",
    "Row",
    "choose_energy",
    "compare_figures",
    "figures_of",
    "overlap",
    "read_figures",
    "run_figures",
    "samples_hash",
]
