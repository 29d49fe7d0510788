"""Quantising a float ReLU net after training: ``python -m experiments.ptq.run``."""
