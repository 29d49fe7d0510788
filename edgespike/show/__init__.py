"""Show a graph as text or as a picture."""
