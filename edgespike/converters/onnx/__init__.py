"""ONNX files: float nets, QONNX, and nets of 8-bit numbers."""
