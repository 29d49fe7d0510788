"""Choose the numbers in which each layer is computed exactly."""
