"""Energy you can trace: counts times published constants, as ranges, by several models."""

from __future__ import annotations

from edgespike.energy.board import Board
from edgespike.energy.constant import Constant, Grade
from edgespike.energy.cores import CoreLoad, busiest_core
from edgespike.energy.coverage import Coverage, coverage
from edgespike.energy.estimate import Baseline, Estimate
from edgespike.energy.interval import Interval
from edgespike.energy.model import EnergyModel, Term
from edgespike.energy.models import ENERGY_MODELS
from edgespike.energy.profile import (
    Profile,
    ProfileError,
    default_profiles,
    load_profile,
    load_profiles,
    shipped_profiles,
)
from edgespike.energy.quantities import Quantity
from edgespike.energy.report import EnergyReport, energy_report

__all__ = [
    "ENERGY_MODELS",
    "Baseline",
    "Board",
    "Constant",
    "CoreLoad",
    "Coverage",
    "EnergyModel",
    "EnergyReport",
    "Estimate",
    "Grade",
    "Interval",
    "Profile",
    "ProfileError",
    "Quantity",
    "Term",
    "busiest_core",
    "coverage",
    "default_profiles",
    "energy_report",
    "load_profile",
    "load_profiles",
    "shipped_profiles",
]
