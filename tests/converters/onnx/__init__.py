"""ONNX files: reading them, and the nets of floats in them."""
