"""From nets of a simulator of spiking neurons in torch to nets in real numbers.

A net is run on a probe, and what it calls is recorded: this finds its steps whatever its
``forward`` looks like. A simulator says how its neurons are read, see
:class:`edgespike.converters.spiking.simulator.Simulator`; its package offers a converter
(``converter``) and what is in ``frameworks``.

The entry is :func:`edgespike.converters.spiking.reading.read`. The steps, in order:

1. ``probe``: the module runs on zeros, step by step or on all steps; ``recording`` notes what it
   calls (``values``), and is left as it was.
2. ``steps``: which calls of a layer follow each other (``axes``: where the steps are in a tensor),
   and that all steps compute the same.
3. ``records``, ``readouts``: which values of all steps it returns, and what its answer is.
4. ``building``: the last step's values become nodes (``nodes``), layer by layer (``layers``) and
   function by function (``functions``).
5. ``checks``: a second run on other values, and what is wrong where a run stopped.

``activity`` runs the module itself, for comparisons; ``support`` lists what is read.
"""
