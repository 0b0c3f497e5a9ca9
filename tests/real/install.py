"""Gets servers into a folder of ours: python install.py FOLDER nginx etcd haproxy node

Debian's packages are fetched and unpacked, not installed: that needs no root, starts no service,
and leaves the machine as it was. What cannot be had is said in one line; its tests skip then.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

DEBIAN = {
    "nginx": ["nginx", "libnginx-mod-nchan"],
    "etcd": ["etcd-server"],
    "haproxy": ["haproxy"],
}
HERE = Path(__file__).parent


def run(*command: str | Path) -> None:
    """Runs a command; its output is shown only if it fails."""
    env = {**os.environ, "LC_ALL": "C"}
    subprocess.run([*map(str, command)], check=True, capture_output=True, text=True, env=env)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def apt(folder: Path, *arguments: str) -> None:
    """apt-get with lists and cache of our own, so that anybody may run it."""
    (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    (folder / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    settings = {
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "Debug::NoLocking": 1,
        "APT::Sandbox::User": "root",
    }
    options = [f"-o{name}={value}" for name, value in settings.items()]
    run("apt-get", *options, "--assume-yes", *arguments)


def unpack(folder: Path, packages: list[str]) -> None:
    """Fetches packages, with what they need that is not on the machine, and unpacks them."""
    if not (folder / "lists").exists():
        apt(folder, "update")
    archives = folder / "cache" / "archives"
    shutil.rmtree(archives, ignore_errors=True)
    fetching = ["--download-only", "--reinstall", "--no-install-recommends"]
    apt(folder, "install", *fetching, *packages)
    for archive in sorted(archives.glob("*.deb")):
        run("dpkg-deb", "--extract", archive, folder / "root")
    for nchan in (folder / "root").glob("usr/lib/nginx/modules/ngx_nchan_module.so"):
        relocate(nchan)


def relocate(nchan: Path) -> None:
    """Lets nginx with nchan keep its temporary files in the folder that it is started in.

    nchan makes the folder that its binary names, whatever the configuration says.
    """
    named = b"/var/lib/nginx/"
    nchan.write_bytes(nchan.read_bytes().replace(named, b"." + b"/" * (len(named) - 1)))


def node(folder: Path) -> None:
    """What runs on Node.js, by the npm of the test environment."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "package.json", folder)
    npm = HERE.parent / "mcp" / "npm.py"
    run(sys.executable, npm, "install", "--no-audit", "--ignore-scripts", f"--prefix={folder}")


def main(folder: Path, names: list[str]) -> None:
    for name in names:
        try:
            if name == "node":
                node(folder / "node")
            else:
                unpack(folder / "debian", DEBIAN[name])
        except FileNotFoundError as error:
            say(f"{name}: not to be had here: {error.filename} is missing")
        except subprocess.CalledProcessError as error:
            said = (error.stderr or error.stdout).strip().splitlines() or [str(error)]
            say(f"{name}: not to be had here: {said[-1]}")
        else:
            say(f"{name}: ready")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2:])
