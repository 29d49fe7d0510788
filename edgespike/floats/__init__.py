"""Nets in real numbers: what a source's model computes, before it becomes an integer graph."""
