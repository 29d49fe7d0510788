"""Exact counts of what a graph does: synaptic operations, neuron updates, spikes, memory."""

from __future__ import annotations

from edgespike.counting.audit import Audit, audit
from edgespike.counting.count import FREE, count, count_events, event_sources
from edgespike.counting.counts import Counts, LayerCounts
from edgespike.counting.events import sum_events
from edgespike.counting.fanout import Convention, dense_connections, fan_out

__all__ = [
    "FREE",
    "Audit",
    "Convention",
    "Counts",
    "LayerCounts",
    "audit",
    "count",
    "count_events",
    "dense_connections",
    "event_sources",
    "fan_out",
    "sum_events",
]
