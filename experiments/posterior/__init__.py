"""The posterior experiment; run it with ``python -m experiments.posterior.run``."""
