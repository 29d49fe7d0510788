"""The folder that is written for a network in C: library, check, emulated boards, packages."""
