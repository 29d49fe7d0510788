"""Readers of files against damaged and forged files: ``python -m tests.fuzzing --help``."""
