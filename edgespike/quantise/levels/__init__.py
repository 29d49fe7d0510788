"""Nets of ReLU and tanh: their activations become a few levels.

The levels' thresholds take biases and normalisation in. A delay keeps an activation's levels for
the next step, so a net may have loops.

The entry is :func:`edgespike.quantise.levels.quantising.quantise_levels`. The steps, in order:

1. ``checks``: refuse what no net of levels can hold.
2. ``edgespike.quantise.inputs``: the samples for calibration as whole numbers.
3. ``rewriting``: max pools move behind the activations that follow them; which activations share
   their levels, and which sums are part of the answer.
4. ``quantising``: the float net's values on the samples; ``state`` is what all parts share.
5. ``walk``: node by node, the graph. What a float node has become is in ``values``, what all of
   them have become so far in ``values_so_far``, the graph and its values on the samples in
   ``graph_so_far``. On the way:

   - ``weighing``: a weighted sum gets units and whole weights (``edgespike.quantise.rounding``),
     then ``correction`` undoes what rounding did to it in the mean;
   - ``activation``: a ReLU or tanh gets levels, with those that it shares them with; a delay of
     it, which may come earlier, chooses them for both. ``level_steps`` searches what a level is
     worth, ``thresholds`` makes whole thresholds of it, and ``firing`` adds them to the graph and
     counts what is lost;
   - until the activation of a loop is there, its delay gives the float net's values; then what
     follows the delay is computed again, step after step.
6. ``losses``: the answers of the graph beside those of the net.
"""
