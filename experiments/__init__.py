"""Experiments with their results, one folder each; examples of use are in `examples`."""
