"""The maqd experiment; run it with ``python -m experiments.maqd.run``."""
