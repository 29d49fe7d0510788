"""Which units to keep, and what the dropped ones did: numpy only."""
