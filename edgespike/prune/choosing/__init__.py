"""Which units to keep, and how to reconstruct the dropped ones: numpy only."""
