"""Nets of 8-bit numbers with scales and zero points, as TFLite and ONNX files hold them.

``net`` describes such a net and ``run`` computes it, which defines what is right. How each runtime
rounds is in ``rounding`` for sums of weighted layers, ``additions`` for sums of two tensors,
``averages``, and ``rescaling`` for numbers that are stored anew.

``lowering`` turns a net into an equal graph:

- ``rewriting`` makes padding of zero points around images, and leaves out what is not needed;
- ``walk`` goes from node to node; ``sums`` treats those that have sums, ``pairs`` finds whole
  weights for sums of two tensors, ``firing`` and ``thresholds`` turn sums into stored numbers;
- ``growing`` is the graph so far, and where each tensor of the net is in it.
"""
