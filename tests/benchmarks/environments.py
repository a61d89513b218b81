"""A virtual environment for each contestant, made once and kept."""

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "course": ["-e", str(ROOT)],
    "pytorch": ["torch==2.13.0", "numpy"],
    "mxnet": ["mxnet==1.9.1", "numpy==1.23.5"],
}


def python_of(name: str, folder: Path) -> str:
    """The interpreter of a contestant's environment, which is built if it is not there."""
    home = folder / f"{name}-{sys.version_info.major}.{sys.version_info.minor}"
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    done = home / "complete"
    if not done.exists():
        print(f"Building the environment of {name} ...", file=sys.stderr, flush=True)
        venv.create(home, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "--quiet", *PACKAGES[name]]
        subprocess.run(command, check=True)
        done.touch()
    return str(python)
