"""Bundles for a Raspberry Pi and for microcontrollers."""
