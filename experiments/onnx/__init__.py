"""A float net of torch, exported to ONNX and quantised."""
