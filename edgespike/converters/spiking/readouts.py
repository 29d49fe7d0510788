"""What a net answers: which record that its ``forward`` returns, and how it is combined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgespike.converters.spiking.records import LAST, SUM, Record, records_of
from edgespike.converters.spiking.simulator import RefusedError
from edgespike.converters.spiking.steps import Steps
from edgespike.converters.spiking.values import SPIKES, Value, through
from edgespike.graph import ReadoutMode


@dataclass(frozen=True)
class Answer:
    """What the net's readout combines.

    Parameters
    ----------
    values
        One a step.
    mode
        How they are combined.
    notes
        What the source does not say, or what was left out.
    """

    values: tuple[Value, ...]
    mode: ReadoutMode
    notes: tuple[str, ...]


def find(steps: Steps, returned: Sequence[Any], wanted: str | None) -> Answer:
    """Return what a net answers.

    Parameters
    ----------
    steps
        The recorded steps.
    returned
        What each call of the probe returned.
    wanted
        The user's option ``readout``: "count", "potential", "max", "sum", or ``None``.

    Raises
    ------
    RefusedError
        Nothing that is returned is a value of every step, or not the one that is wanted.
    """
    records = list(records_of(steps, returned))
    if not records:
        raise RefusedError(
            "returns nothing that is found in every step; return the spikes or the potentials of "
            "the last neurons, stacked over the steps, or their sum, mean, maximum or last"
        )
    for record in records:
        steps.check_equal(record.values, "what it returns")
    return _chosen(steps, records, wanted)


def _chosen(steps: Steps, records: Sequence[Record], wanted: str | None) -> Answer:
    """Return the record that was computed last, spikes before potentials, as it is wanted."""
    record = max(records, key=lambda each: (_place(each), _kind(steps, each) == SPIKES))
    kind = _kind(steps, record)
    if wanted == "count":
        if kind != SPIKES:
            raise RefusedError(
                f"returns {_KINDS[kind]}, not spikes, but readout is 'count'; use 'sum', 'max' or "
                "'potential'"
            )
        return Answer(record.values, SUM, ())
    if wanted is not None:
        values = _potentials(steps, record) if kind == SPIKES else record.values
        return Answer(values, {"potential": LAST, "sum": SUM, "max": ReadoutMode.MAX}[wanted], ())
    if record.mode is not None:
        return Answer(record.values, record.mode, record.notes)
    if kind == SPIKES:
        return Answer(record.values, SUM, record.notes)
    mode, made, others = (
        (LAST, "potential at the last step", "'max' or 'sum'")
        if kind == "state"
        else (SUM, "sum over the steps", "'max' or 'potential' (of the last step)")
    )
    note = (
        f"the answer is the {made}, since the net returns {_KINDS[kind]} of every step; "
        f"readout={others} takes another"
    )
    return Answer(record.values, mode, (*record.notes, note))


_KINDS = {SPIKES: "the spikes", "state": "the potentials", "other": "the values"}


def _place(record: Record) -> int:
    """Return when the last value of a record was computed."""
    call = through(record.values[-1]).call
    return -1 if call is None else call.place


def _kind(steps: Steps, record: Record) -> str:
    neuron = steps.neuron(through(record.values[-1]))
    return "other" if neuron is None else SPIKES if neuron[2] == SPIKES else "state"


def _potentials(steps: Steps, record: Record) -> tuple[Value, ...]:
    """Return the potentials of the neurons whose spikes a record holds."""
    neuron = steps.neuron(through(record.values[-1]))
    assert neuron is not None
    return tuple(list(call.after.values())[-1] for call in neuron[0].calls)
