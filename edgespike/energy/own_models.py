"""Energy models that a profile file defines: the entries of the shipped ones, as a TOML table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edgespike.counting import Convention
from edgespike.energy.model import EnergyModel, Term
from edgespike.energy.quantities import Hierarchy, MemoryKind, Quantity
from edgespike.errors import named, shown

_NEEDED = ("terms", "omits")
_OPTIONAL = (
    "formula",
    "convention",
    "caveat",
    "dense",
    "dense_terms",
    "inside",
    "target",
    "source",
    "link",
)
_TEXTS = ("omits", "formula", "caveat", "dense", "target", "source", "link")
_QUANTITIES = {quantity.value: quantity for quantity in Quantity}
_MEMORIES = {"weights": MemoryKind.WEIGHTS, "potentials": MemoryKind.POTENTIALS}
_MEMORIES["activations"] = MemoryKind.ACTIVATIONS
_CONVENTIONS = {convention.value: convention for convention in Convention}


def check_model(name: str, table: Any) -> Iterator[str]:
    """Yield one sentence for each fault of a model's table."""
    where = f"model {named(name)}"
    if not isinstance(table, dict):
        yield f"{where} must be a table with the entries {', '.join(_NEEDED + _OPTIONAL)}"
        return
    for entry in _NEEDED:
        if entry not in table:
            yield f"{where}: entry {entry} is missing"
    for entry in table:
        if entry not in _NEEDED + _OPTIONAL:
            known = ", ".join(_NEEDED + _OPTIONAL)
            yield f"{where}: entry {shown(entry)} is unknown; the entries are {known}"
    for entry in _TEXTS:
        value = table.get(entry, "-")
        if not (isinstance(value, str) and value.strip() and value.isprintable()):
            yield f"{where}: {entry} is {shown(value)}; give one line of text"
    link = table.get("link", "https://")
    if not (isinstance(link, str) and link.startswith("https://")):
        yield f"{where}: link is {shown(link)}; give an address that begins with https://"
    convention = table.get("convention", Convention.QUANTISED.value)
    if not (isinstance(convention, str) and convention in _CONVENTIONS):
        known = ", ".join(_CONVENTIONS)
        yield f"{where}: convention is {shown(convention)}; choose from {known}"
    yield from _check_terms(f"{where}: terms", table.get("terms", [{}]), given="terms" in table)
    if "dense_terms" in table or "dense" in table:
        if not {"dense", "dense_terms"} <= set(table):
            yield f"{where}: dense and dense_terms go together; give both or neither"
        else:
            yield from _check_terms(f"{where}: dense_terms", table["dense_terms"], given=True)
    yield from _check_inside(where, table.get("inside", []))


def _check_terms(where: str, terms: Any, *, given: bool) -> Iterator[str]:
    if not given:
        return
    if not (isinstance(terms, list) and terms and all(isinstance(term, dict) for term in terms)):
        yield f'{where} must be a list of tables such as {{quantity = "...", constant = "..."}}'
        return
    for number, term in enumerate(terms, 1):
        yield from _check_term(f"{where}, number {number}", term)


def _check_term(where: str, term: Mapping[str, Any]) -> Iterator[str]:
    entries = ("quantity", "constant", "memory")
    for entry in entries[:2]:
        if entry not in term:
            yield f"{where}: entry {entry} is missing"
    for entry in term:
        if entry not in entries:
            yield f"{where}: entry {shown(entry)} is unknown; the entries are {', '.join(entries)}"
    quantity = term.get("quantity", Quantity.EVENTS.value)
    if not (isinstance(quantity, str) and quantity in _QUANTITIES):
        known = ", ".join(_QUANTITIES)
        yield f"{where}: quantity {shown(quantity)} is unknown; choose from {known}"
    constant = term.get("constant", "-")
    if not (isinstance(constant, str) and constant.strip() and constant.isprintable()):
        yield f"{where}: constant is {shown(constant)}; give the name of a constant"
    memory = term.get("memory", "weights")
    if not (isinstance(memory, str) and memory in _MEMORIES):
        yield f"{where}: memory is {shown(memory)}; choose from {', '.join(_MEMORIES)}"


def _check_inside(where: str, inside: Any) -> Iterator[str]:
    if not isinstance(inside, list):
        yield f"{where}: inside is {shown(inside)}; give a list of quantities"
        return
    for quantity in inside:
        if not (isinstance(quantity, str) and quantity in _QUANTITIES):
            known = ", ".join(_QUANTITIES)
            yield f"{where}: inside names {shown(quantity)}, which is unknown; choose from {known}"


def read_model(name: str, table: Mapping[str, Any]) -> EnergyModel:
    """Return the model of a table without faults."""
    terms = tuple(_term(term) for term in table["terms"])
    formula = " + ".join(term.equation for term in terms)
    return EnergyModel(
        name,
        table.get("formula", f"E = {formula}"),
        _CONVENTIONS[table.get("convention", Convention.QUANTISED.value)],
        terms,
        table.get("caveat", "A model of the profile's own."),
        table.get("dense", ""),
        tuple(_term(term) for term in table.get("dense_terms", [])),
        tuple(_QUANTITIES[quantity] for quantity in table.get("inside", [])),
        table.get("target", ""),
        table["omits"],
        table.get("source", ""),
        table.get("link", ""),
        own=True,
    )


def _term(table: Mapping[str, Any]) -> Term:
    memory = _MEMORIES[table["memory"]] if "memory" in table else None
    return Term(
        _QUANTITIES[table["quantity"]],
        table["constant"],
        memory,
        Hierarchy.SMALLEST_THAT_FITS,
    )
