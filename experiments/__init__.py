"""Experiments whose results are kept beside them; examples of use are in `examples`."""
