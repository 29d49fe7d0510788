"""What a sweep shows: accuracy against operations and energy, and the best trade-offs."""
