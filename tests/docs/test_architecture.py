"""The table of layers in docs/architecture.md is the one that the imports are held to."""

from __future__ import annotations

import re
from pathlib import Path

from test_layers import EXTRAS, LAYERS

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "src" / "streamable_http"


def documented() -> dict[str, set[str]]:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+) \| ((?:`\w+` ?)+)\|", text, re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", modules)) for name, modules in rows}


def test_the_table_of_layers_is_true() -> None:
    files = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    enforced = {layer.name: set(layer.modules) & files for layer in LAYERS}

    assert documented() == {**enforced, "extras": set(EXTRAS) & files}


def test_every_module_is_in_the_table() -> None:
    files = {path.stem for path in PACKAGE.glob("*.py")} | {
        path.parent.name for path in PACKAGE.glob("*/__init__.py")
    }

    assert files == set[str]().union(*documented().values())
