"""The error of the approximate entropy of mixtures: ``python -m experiments.entropy.run``."""
