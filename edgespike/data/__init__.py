"""Data sets as plain numpy arrays."""
