"""The entropy experiment; run it with ``python -m experiments.entropy.run``."""
