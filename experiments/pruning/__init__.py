"""Spectral pruning compared with other methods: ``python -m experiments.pruning.run``."""
