"""TFLite files of 8-bit numbers."""
