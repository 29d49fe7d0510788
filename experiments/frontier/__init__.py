"""Baselines beside the penalties of a sweep: ``python -m experiments.frontier.baselines``."""
