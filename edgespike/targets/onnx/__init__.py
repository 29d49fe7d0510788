"""The ONNX target: one exact integer model for ONNX Runtime."""
