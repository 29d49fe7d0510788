"""ONNX files of 8-bit numbers: QDQ, float operators between quantisers, and QOperator.

Both mean what ONNX Runtime's integer kernels compute: ``arithmetic`` is how they round, ``walk``
goes through the nodes, ``convert`` makes the net, and ``checking`` runs the file beside its graph.
"""
