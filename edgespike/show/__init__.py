"""A graph as text, as a picture, and the size of its weights."""
