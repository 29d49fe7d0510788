"""Descriptions of nets, the modules built from them, and their checkpoints."""
