"""What the processes run that are killed: write a body to a file."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import streamable_http as shttp
from streamable_http import _part_file

_part_file._SECONDS = 0.05  # so that kills come as often while the place is saved as at other times

ALONE: dict[str, Any] = {"trust_env": False, "verify": ssl.create_default_context()}


def threads(url: str, path: Path) -> None:
    with shttp.Client(**ALONE) as client:
        client.stream("GET", url, decoder=shttp.Raw()).write_to(path)


def tasks(url: str, path: Path) -> None:
    async def main() -> None:
        async with shttp.AsyncClient(prefetch=8, **ALONE) as client:
            await client.stream("GET", url, decoder=shttp.Raw()).write_to(path)

    asyncio.run(main())


FACES = {function.__name__: function for function in (threads, tasks)}


def write(face: str, url: str, path: Path) -> None:
    FACES[face](url, path)
