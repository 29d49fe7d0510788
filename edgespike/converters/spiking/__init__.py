"""From nets of a simulator of spiking neurons in torch to nets in real numbers.

A net is run on a probe, and what it calls is recorded: this finds its steps whatever its
``forward`` looks like. A simulator says how its neurons are read, see
:class:`edgespike.converters.spiking.simulator.Simulator`.
"""
