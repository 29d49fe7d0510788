"""Write files whole or not at all, and read files without trusting them."""
