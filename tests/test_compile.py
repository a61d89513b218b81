import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest

ROOT = Path(__file__).parents[1]
USE = (
    "import numpy as np, course as mx;"
    "print(mx.layers.Activation('relu').forward(np.array([-1.0, 2.0])))"
)


def run(code, cwd=ROOT, **environment):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=cwd,
        env={**kept, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True, text=True, timeout=300, check=True,
    )  # fmt: skip


def test_the_wait_is_announced_once_and_only_where_there_is_one(tmp_path):
    first = run(USE, NUMBA_CACHE_DIR=str(tmp_path))
    second = run(USE, NUMBA_CACHE_DIR=str(tmp_path))

    assert first.stderr.count("Compiling the kernels") == 1
    assert "Compiling" not in second.stderr
    assert first.stdout == second.stdout == "[0. 2.]\n"


def test_without_a_folder_for_the_cache_it_compiles_in_memory_and_says_so_once(tmp_path):
    # A file where each folder should be: nobody, not even root, can write there.
    blocked = tmp_path / "blocked"
    blocked.write_text("")
    shutil.copytree(ROOT / "course", tmp_path / "course", ignore=lambda *_: {"__pycache__"})
    (tmp_path / "course" / "kernels" / "__pycache__").write_text("")
    code = (
        "import warnings\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        f"    {USE}\n"
        "print([str(w.message) for w in caught])"
    )
    places = dict.fromkeys(("NUMBA_CACHE_DIR", "HOME", "XDG_CACHE_HOME"), str(blocked))
    result = run(code, cwd=tmp_path, PYTHONPATH=str(tmp_path), **places)
    assert result.stdout.startswith("[0. 2.]")
    assert result.stdout.count("no folder to keep compiled kernels in") == 1


def test_a_change_in_a_file_that_a_kernel_calls_is_noticed(tmp_path):
    shutil.copytree(ROOT / "course", tmp_path / "course", ignore=lambda *_: {"__pycache__"})
    use = (
        "import numpy as np, course as mx;"
        "layer = mx.layers.FullyConnected(1, no_bias=True);"
        "layer.params['weight'] = np.array([[3.0]]);"
        "print(layer.forward(np.array([[2.0]])))"
    )
    results = [run(use, cwd=tmp_path, PYTHONPATH=str(tmp_path)).stdout for _ in range(2)]
    blas = tmp_path / "course" / "kernels" / "blas.py"
    blas.write_text(blas.read_text().replace("np.dot(a[start", "np.dot(2 * a[start"))
    results.append(run(use, cwd=tmp_path, PYTHONPATH=str(tmp_path)).stdout)
    assert results == ["[[6.]]\n", "[[6.]]\n", "[[12.]]\n"]


def test_functions_that_belong_to_no_module_are_compiled_as_ever():
    scope = {"__name__": None}
    exec("def twice(x):\n    return 2 * x", scope)
    assert numba.njit(scope["twice"])(4) == 8


def test_importing_is_light():
    heavy = ["matplotlib", "requests", "ipywidgets", "tqdm", "torch"]
    code = f"import sys, course; print([m for m in {heavy} if m in sys.modules])"
    assert run(code).stdout == "[]\n"


@pytest.mark.parametrize("name", ["test_kernels.py", "test_executor.py"])
def test_the_kernels_are_right_as_plain_python_too(name):
    # Line by line, for a debugger and for coverage. Python warns where a kernel computes NaN.
    chosen = "not approximated_tanh and not 50-500-64 and not 37-90-800 and not 3-700-900"
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"tests/{name}",
         "-W", "ignore::RuntimeWarning", "-k", chosen],
        cwd=ROOT, env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-3000:]
