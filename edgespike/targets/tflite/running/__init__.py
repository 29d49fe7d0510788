"""Run TFLite models."""
