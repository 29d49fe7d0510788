"""Energy: counts times constants with sources, as intervals, by several models side by side."""

from __future__ import annotations

from edgespike.energy.estimate import Baseline, Estimate
from edgespike.energy.interval import Interval
from edgespike.energy.models import MODELS, Model, Term
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
    "MODELS",
    "Baseline",
    "Constant",
    "EnergyReport",
    "Estimate",
    "Grade",
    "Interval",
    "Model",
    "Profile",
    "ProfileError",
    "Term",
    "energy_report",
    "load_profile",
    "shipped_profiles",
]
