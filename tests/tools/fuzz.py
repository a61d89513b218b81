"""Reads damaged files of each format, a quarter of a million of each unless told otherwise.

    python tests/tools/fuzz.py [--runs 250000] [--formats params json]

atheris (`pip install atheris`, Linux and macOS) changes the good files of tests/formats.py and
keeps what reaches new lines of the reader. Each format has a process of its own, whose address
space may grow by 256 MB only. Prints a table; ends with an error if a reader raised anything but
ValueError, or took more memory. What made it fail is left in the folder it names.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

FORMATS = ["params", "safetensors", "states", "json", "idx"]
READERS = ["course.model", "course.training_state", "course.graph", "course.graph_json"]
READERS += ["course.operators", "course.datasets.idx", "course.random"]
MORE_MEMORY = 256 * 2**20


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=250_000, help="inputs of each format")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments.formats[0], arguments.runs, Path(arguments.worker))
        return
    print("| format | inputs | read | refused | most memory, MB | growth, MB |")
    print("| --- | --- | --- | --- | --- | --- |")
    total = failed = 0
    for kind in arguments.formats:
        folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{kind}-"))
        command = [sys.executable, __file__, "--formats", kind, "--runs", str(arguments.runs)]
        root = Path(__file__).parents[2]
        with (folder / "log").open("w") as log:
            subprocess.run(
                [*command, "--worker", str(folder)], stdout=log, stderr=log, cwd=root, check=False
            )
        if not (folder / "result.json").exists():
            print(f"| {kind} | FAILED: see {folder}/log |||||")
            failed += 1
            continue
        result = json.loads((folder / "result.json").read_text())
        total += result["inputs"]
        print("|", " | ".join([kind, *map(str, result.values())]), "|", flush=True)
    print(f"\n{total} inputs, {failed} formats failed")
    sys.exit(failed > 0)


def work(kind, runs, folder):
    """In a process of its own: `runs` inputs of one format, then the figures in result.json."""
    import atheris

    sys.path.insert(0, str(Path(__file__).parents[2]))
    with atheris.instrument_imports(include=READERS):
        from tests.formats import formats

    known = formats(folder)[kind]
    (folder / "corpus").mkdir()
    for number, sample in enumerate(known.samples):
        (folder / "corpus" / str(number)).write_bytes(sample)
    path = folder / f"input.{kind}"
    limit = address_space() + MORE_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    counts = {"inputs": 0, "read": 0, "refused": 0}
    start = 0

    def one_input(data):
        nonlocal start
        start = start or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        path.write_bytes(data)
        try:
            known.read(path)
            counts["read"] += 1
        except ValueError as error:
            if str(path) not in str(error):
                raise AssertionError("the error does not name the file") from error
            counts["refused"] += 1
        counts["inputs"] += 1
        if counts["inputs"] == runs:  # libFuzzer ends the process without another word
            most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            figures = {"most memory": most // 1024, "growth": (most - start) // 1024}
            (folder / "result.json").write_text(json.dumps(counts | figures))

    options = [f"-runs={runs}", "-max_len=4096", f"-artifact_prefix={folder}/", "-rss_limit_mb=0"]
    atheris.Setup([sys.argv[0], *options, str(folder / "corpus")], one_input)
    atheris.Fuzz()


def address_space() -> int:
    """How many bytes of addresses this process has."""
    pages = Path("/proc/self/statm").read_text().split()[0]
    return int(pages) * resource.getpagesize()


if __name__ == "__main__":
    main()
