"""Nets of 8-bit numbers with scales and zero points, as TFLite and ONNX files hold them.

``net`` describes such a net, ``rounding`` how each runtime turns sums into stored numbers, ``run``
computes it, and ``lowering`` turns it into an equal graph.
"""
