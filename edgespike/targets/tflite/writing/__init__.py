"""Writing TFLite models."""
