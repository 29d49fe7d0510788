"""Sweeps: a recipe trained with many settings; each net is converted, verified and counted."""
