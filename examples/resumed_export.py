"""Fetches a large export into a file that is whole or not there; run it again to go on.

python resumed_export.py URL FILE
"""

from __future__ import annotations

import sys

import streamable_http as shttp


def main(url: str, path: str = "export.bin") -> int:
    with shttp.Client() as client:
        stream = client.stream("GET", url, decoder=shttp.Raw())
        try:
            summary = stream.write_to(path, on_progress=show)
        except shttp.StreamError as error:
            print(f"interrupted ({type(error).__name__}): run me again")
            return 1
    print(f"{path} is complete: {summary.stats.bytes:,} bytes came in this run")
    return 0


def show(progress: shttp.Progress) -> None:
    if progress.fraction is not None:
        print(f"{progress.fraction:.0%}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(*(sys.argv[1:] or ["http://127.0.0.1:3001/stream/logs"])))
