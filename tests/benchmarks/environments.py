"""A virtual environment for each contestant, made once and kept."""

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "course": ["-e", str(ROOT)],
    "pytorch": ["torch==2.13.0", "numpy", "threadpoolctl"],
    "mxnet": ["mxnet==1.9.1", "numpy==1.23.5", "threadpoolctl"],
}


def python_of(name: str, folder: Path) -> str:
    """The interpreter of a contestant's environment, which is built if it is not there.

    It is built anew when its list of packages has changed. Raises SystemExit for MXNet under a
    Python that it has no packages for.
    """
    if name == "mxnet" and sys.version_info >= (3, 12):
        raise SystemExit("MXNet 1.9.1 needs Python 3.8 to 3.11: use one of them, or --skip-mxnet.")
    home = folder / f"{name}-{sys.version_info.major}.{sys.version_info.minor}"
    python = home / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    done = home / "complete"
    wanted = "\n".join(PACKAGES[name])
    if not done.exists() or done.read_text(encoding="utf-8") != wanted:
        print(f"Building the environment of {name} ...", file=sys.stderr, flush=True)
        venv.create(home, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "--quiet", *PACKAGES[name]]
        subprocess.run(command, check=True)
        done.write_text(wanted, encoding="utf-8")
    return str(python)
