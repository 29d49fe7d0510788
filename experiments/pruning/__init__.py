"""The pruning experiment; run it with ``python -m experiments.pruning.run``."""
