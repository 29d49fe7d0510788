"""MaQD's accuracy by states, normalisation and batch size: ``python -m experiments.maqd.run``."""
