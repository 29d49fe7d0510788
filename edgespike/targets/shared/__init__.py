"""Parts that several targets use."""
