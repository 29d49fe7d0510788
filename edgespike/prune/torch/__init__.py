"""Prune torch modules: gather states, cut units or weights, and check the result."""
