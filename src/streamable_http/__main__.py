"""`python -m streamable_http`: the same as the command `streamable-http`."""

from __future__ import annotations

from .cli import main

if __name__ == "__main__":
    main()
