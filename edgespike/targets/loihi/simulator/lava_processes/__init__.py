"""Processes that Lava lacks. Lava runs every file of this folder: nothing else belongs here."""
