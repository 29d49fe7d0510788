"""Pruning torch modules."""
