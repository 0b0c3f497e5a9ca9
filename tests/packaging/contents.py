"""Checks what is in the built distributions: `python contents.py dist`.

The wheel holds the package and nothing else; the sdist holds what the wheel is built and tested
from.
"""

from __future__ import annotations

import sys
import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
SDIST_ONLY = {".ci/run", "CHANGELOG.md", "LICENSE", "README.md", "noxfile.py", "pyproject.toml"}


def files_under(folder: str) -> set[str]:
    """All files in `folder`, but for what tools leave behind."""
    inside = (path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file())
    return {
        path.as_posix()
        for path in inside
        if path.suffix != ".pyc" and not any(part.startswith(".") for part in path.parts)
    }


def wheel_problems(names: set[str]) -> list[str]:
    package = {name for name in names if name.startswith("streamable_http/")}
    rest = {name for name in names - package if ".dist-info/" not in name}
    wanted = {name.removeprefix("src/") for name in files_under("src")}
    problems = [f"the wheel lacks {name}" for name in sorted(wanted - package)]
    problems += [f"the wheel has {name}, which is not in src" for name in sorted(package - wanted)]
    problems += [f"the wheel has {name}, outside the package" for name in sorted(rest)]
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in names):
        problems.append("the wheel lacks the licence")
    return problems


def sdist_problems(names: set[str]) -> list[str]:
    inside = {name.partition("/")[2] for name in names}
    wanted = files_under("src") | files_under("tests") | SDIST_ONLY
    return [f"the sdist lacks {name}" for name in sorted(wanted - inside)]


def main(dist: Path) -> int:
    (wheel,) = dist.glob("*.whl")
    (sdist,) = dist.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        problems = wheel_problems(set(archive.namelist()))
    with tarfile.open(sdist) as tar:
        problems += sdist_problems(set(tar.getnames()))
    print("\n".join(problems) or f"{wheel.name} and {sdist.name} hold what they should")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
