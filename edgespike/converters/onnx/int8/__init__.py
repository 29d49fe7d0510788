"""ONNX files of 8-bit numbers: QDQ, float operators between quantisers, and QOperator.

Both mean what ONNX Runtime's integer kernels compute: ``arithmetic`` is how they round, ``walk``
is the net so far, ``convert`` goes through the nodes, and ``checking`` runs the file beside its
graph.
"""

from edgespike.converters.onnx.int8.convert import convert_int8

__all__ = ["convert_int8"]
