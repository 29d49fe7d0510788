"""Spiking nets: neurons stay neurons, with whole weights, thresholds and leaks.

The entry is :func:`edgespike.quantise.spikes.quantising.quantise_spikes`. The steps, in order:

1. ``samples``: the input's whole numbers, and the samples written as these.
2. ``fold``: everything linear goes into the weighted layers, so that spikes and inputs stay whole
   numbers. ``edgespike.floats.shapes`` checks that the parts fit, ``event_lines`` says what events
   are worth, ``inserted`` has the layers that folding adds, and ``draft`` is the folded net under
   construction; the result is a ``folded.Folded``.
3. ``events_seen``: the events that reach each layer on samples.
4. ``solve``: whole numbers for every layer. ``blocks`` says which sums share a unit, and
   ``bounds`` how large events and sums can become. For each block:

   - exact where that is proven to be possible: ``units``, then ``exact_neurons``;
   - otherwise rounded: ``widths`` (bits of each layer), ``rounded_units`` (units and weights),
     ``neurons`` (thresholds and leaks), ``rounded_block`` (units that fit the targets);
   - ``pool_levels``: levels for sums of which the largest are taken.
5. ``assemble``: the graph.
6. ``report``: spikes and answers of the graph beside those of the net.
"""
