"""Mixture posteriors, an ensemble and a single net: ``python -m experiments.posterior.run``."""
