"""Running TFLite models."""
