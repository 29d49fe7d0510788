"""Energy you can trace: counts times published constants, as ranges, by several models."""

from __future__ import annotations

from edgespike.energy.estimate import Baseline, Estimate
from edgespike.energy.interval import Interval
from edgespike.energy.models import ENERGY_MODELS, EnergyModel, Term
from edgespike.energy.profile import (
    Constant,
    Grade,
    Profile,
    ProfileError,
    load_profile,
    shipped_profiles,
)
from edgespike.energy.report import EnergyReport, energy_report

__all__ = [
    "ENERGY_MODELS",
    "Baseline",
    "Constant",
    "EnergyModel",
    "EnergyReport",
    "Estimate",
    "Grade",
    "Interval",
    "Profile",
    "ProfileError",
    "Term",
    "energy_report",
    "load_profile",
    "shipped_profiles",
]
