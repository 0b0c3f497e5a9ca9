"""Node.js with eventsource-parser: the same bytes in another language.

It takes part where `node` is there and STREAMABLE_HTTP_BENCH_NODE names a folder with the package
(`npm install --prefix FOLDER eventsource-parser`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from .contender import Contender

FOLDER = "STREAMABLE_HTTP_BENCH_NODE"
PROGRAM = """
import { pathToFileURL } from 'node:url'
const { createParser } = await import(pathToFileURL(process.argv[1] + '/dist/index.js'))
const read = async (url) => {
  let items = 0, text = 0
  const onEvent = (event) => { items += 1; text += event.data.length }
  const parser = createParser({ onEvent })
  const response = await fetch(url)
  const decoder = new TextDecoder()
  const start = process.cpuUsage(), clock = performance.now()
  for await (const chunk of response.body) parser.feed(decoder.decode(chunk, { stream: true }))
  const { user, system } = process.cpuUsage(start)
  return { items, text, cpu: (user + system) / 1e6, wall: (performance.now() - clock) / 1e3 }
}
await read(process.argv[2] + '/check')
const figures = await read(process.argv[2] + '/')
console.log(JSON.stringify({ ...figures, MiB: process.resourceUsage().maxRSS / 1024 }))
"""
PARSER = Contender("node, eventsource-parser", "event", script=PROGRAM)


def missing() -> list[str]:
    """What stands against it."""
    folder = os.environ.get(FOLDER)
    if shutil.which("node") is None:
        return ["node"]
    if not folder or not (Path(folder) / "node_modules" / "eventsource-parser").is_dir():
        return [f"eventsource-parser ({FOLDER} is not set to its folder)"]
    return []


def run(url: str, want: dict[str, int]) -> dict[str, Any]:
    package = Path(os.environ[FOLDER]).resolve() / "node_modules" / "eventsource-parser"
    command = ["node", "--input-type=module", "--eval", PROGRAM, "--", str(package), url]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    assert figures["items"] == want["items"], f"node: {figures} of {want}"
    assert figures["text"] == want["text"], f"node: {figures} of {want}"
    return figures


def version() -> str:
    done = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def parser_version() -> str:
    folder = Path(os.environ[FOLDER]) / "node_modules" / "eventsource-parser"
    return str(json.loads((folder / "package.json").read_text())["version"])
