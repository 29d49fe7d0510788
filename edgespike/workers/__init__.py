"""Other programs: scripts that run in a process of their own, and how a process ended."""
