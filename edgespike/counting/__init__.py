"""Exact counts of what a graph does: synaptic operations, neuron updates, spikes, memory."""

from __future__ import annotations

from edgespike.counting.audit import Audit, audit
from edgespike.counting.charges import charges
from edgespike.counting.count import Counter, count, silent_layers
from edgespike.counting.counts import Counts, LayerCounts
from edgespike.counting.events import sum_events
from edgespike.counting.fanout import Convention, dense_connections, fan_out
from edgespike.counting.tally import EventSums, Tally, event_sources, tally_checked, tally_trace

__all__ = [
    "Audit",
    "Convention",
    "Counter",
    "Counts",
    "EventSums",
    "LayerCounts",
    "Tally",
    "audit",
    "charges",
    "count",
    "dense_connections",
    "event_sources",
    "fan_out",
    "silent_layers",
    "sum_events",
    "tally_checked",
    "tally_trace",
]
