"""``python -m edgespike`` is the command line."""

from __future__ import annotations

from edgespike.cli import main

if __name__ == "__main__":
    main()
