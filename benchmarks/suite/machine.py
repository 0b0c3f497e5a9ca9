"""What the figures were taken on."""

from __future__ import annotations

import os
import platform
import sysconfig
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from . import node

PACKAGES = (
    "streamable-http", "httpx", "httpcore", "h11", "httptools", "msgspec", "anyio", "attrs",
    "httpx-sse", "httpx2", "openai", "anthropic", "launchdarkly-eventsource", "requests-sse",
    "aiohttp", "httpx-aiohttp", "ijson", "json-stream", "pydantic", "starlette", "uvicorn",
)  # fmt: skip


def described() -> list[str]:
    optimised = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    build = "" if optimised else ", built without profile-guided optimisation"
    lines = [
        f"{platform.system()} {platform.machine()}, {processor()}, {os.cpu_count()} CPUs",
        f"{platform.python_implementation()} {platform.python_version()}{build}",
        ", ".join(f"{name} {found}" for name in PACKAGES if (found := installed(name))),
    ]
    if not node.missing():
        lines.append(f"node {node.version()}, eventsource-parser {node.parser_version()}")
    return lines


def processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    names = [line.partition(": ")[2] for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor()


def installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
