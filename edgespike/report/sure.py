"""How sure: what was compared, how the constants were obtained, and where they were published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgespike.energy import Constant, EnergyReport, Grade
from edgespike.report.answer import GRADES
from edgespike.report.tables import Table
from edgespike.report.units import whole


@dataclass(frozen=True)
class Source:
    """A publication, and its address; empty if it has none."""

    text: str
    link: str


def values(report: EnergyReport, certificate: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what the template of this part shows."""
    return {
        "certificate": certificate,
        "verified": verified_table(certificate) if certificate else None,
        "grades": [(grade.value, GRADES[grade], _used(report, grade)) for grade in Grade],
        "sources": [
            {"text": source.text, "link": source.link, "used": "; ".join(used)}
            for source, used in sources(report).items()
        ],
        "profiles": report.profiles,
    }


def _used(report: EnergyReport, grade: Grade) -> str:
    """Return how many constants of each profile have a grade."""
    numbers = {
        profile.name: sum(row.grade is grade for row in profile.constants.values())
        for profile in report.profiles
    }
    return ", ".join(f"{number} of {name}" for name, number in numbers.items() if number)


def source_of(constant: Constant) -> Source:
    """Return where a constant was published; only an address of the web is kept."""
    link = constant.link if constant.link.startswith("https://") else ""
    return Source(f"{constant.source} ({constant.year})", link)


def sources(report: EnergyReport) -> dict[Source, list[str]]:
    """Return each source with the names of its constants, one text for a profile and a grade."""
    found: dict[Source, dict[str, list[str]]] = {}
    for profile in report.profiles:
        for row in profile.constants.values():
            of = f"{profile.name}, {row.grade.value}"
            found.setdefault(source_of(row), {}).setdefault(of, []).append(row.name)
    return {
        source: [f"{of}: {', '.join(names)}" for of, names in groups.items()]
        for source, groups in found.items()
    }


def verified_table(certificate: Mapping[str, Any]) -> Table:
    """Return a row for each target of a certificate."""
    heads = ("target", "result", "runtime", "samples", "steps", "layers", "first difference")
    rows = [
        [
            name,
            "equal" if result["equal"] else "different",
            result["runtime"],
            *(whole(result[key]) for key in ("samples", "steps", "layers")),
            difference(result["first_difference"]),
        ]
        for name, result in certificate["targets"].items()
    ]
    return Table("verified", "Targets against the definition", heads, rows, kind="text")


def difference(first: Mapping[str, Any] | None) -> str:
    """Return where the first difference is; ``none`` if there is none."""
    if first is None:
        return "none"
    return "{layer}, sample {sample}, step {step}, neuron {neuron}".format(**first)
