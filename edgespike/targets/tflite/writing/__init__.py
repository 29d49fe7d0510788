"""Build TFLite models."""
