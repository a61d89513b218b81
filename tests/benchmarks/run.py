"""Our library against PyTorch and MXNet on the CPU, taking turns in one run.

    python tests/benchmarks/run.py            the table of the README (about a quarter of an hour)
    python tests/benchmarks/run.py --quick    fewer turns, fewer variants

Same data, same batch order, same first parameters, same hyper-parameters (the tutorial's). Who
goes first changes from turn to turn. A contestant whose accuracy in the end is off is
disqualified. Writes benchmark.md, benchmark.json and benchmark.png to --out.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
import platformdirs
import report
from environments import ROOT, python_of
from protocol import Contestant, environment

import course as mx

HERE = Path(__file__).parent
PEERS = {
    "PyTorch eager": ("pytorch", "eager"),
    "PyTorch channels_last": ("pytorch", "channels_last"),
    "PyTorch compile": ("pytorch", "compile"),
    "MXNet": ("mxnet",),
}
TUTORIAL = {"batch_size": 100, "momentum": 0.0}
# After the turns of a run, how far the accuracies may lie apart: rounding alone moves them so much.
BAND = {"mlp": 0.012, "lenet": 0.006}


def prepare(folder: Path, epochs: int) -> None:
    """Write data, batch orders and first parameters for all contestants."""
    mnist = mx.test_utils.get_mnist("full")
    for name, array in mnist.items():
        np.save(folder / name, array.astype(np.int64) if name.endswith("label") else array)
    draw = np.random.default_rng(0)
    orders = [draw.permutation(len(mnist["train_data"])) for _ in range(epochs)]
    np.save(folder / "orders", np.array(orders))
    for network in ("mlp", "lenet"):
        module = mx.mod.Module(getattr(mx.networks, network)())
        module.bind([("data", (1, 1, 28, 28))])
        mx.random.seed(0)
        module.init_params()
        np.savez(folder / network, **module.get_params()[0])


def enter(peers, envs: Path, folder: Path) -> dict[str, Contestant]:
    """Start all contestants."""
    commands = {"course": [python_of("course", envs), str(HERE / "worker_course.py"), str(folder)]}
    for peer in peers:
        package, *mode = PEERS[peer]
        script = HERE / f"worker_{package}.py"
        commands[peer] = [python_of(package, envs), str(script), str(folder), *mode]
    return {name: Contestant(name, command) for name, command in commands.items()}


def take_turns(contestants, turns, question, warm=None):
    """Ask all the same, `turns` times; the one who begins changes. {name: [answers]}."""
    answers = {name: [] for name in contestants}
    names = list(contestants)
    for turn in range(turns):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            answers[name].append(contestants[name].ask(**question(turn)))
    return answers


def compete(contestants, network, turns, **settings):
    """Training epochs and predictions of one network: two tasks' rows."""
    for contestant in contestants.values():
        contestant.ask("setup", network=network, **settings)
        contestant.ask("epoch", order=0, images=3 * settings["batch_size"])  # compiles, warms up
        contestant.ask("setup", network=network, **settings)
    epochs = take_turns(contestants, turns, lambda turn: {"what": "epoch", "order": turn})
    take_turns(contestants, 1, lambda turn: {"what": "predict"})
    predictions = take_turns(contestants, turns, lambda turn: {"what": "predict"})
    accuracies = {name: answers[-1]["accuracy"] for name, answers in predictions.items()}
    rows = []
    for answers in (epochs, predictions):
        rows.append(
            {
                name: {
                    "seconds": [answer["seconds"] for answer in given],
                    "accuracy": accuracies[name],
                    "disqualified": abs(accuracies[name] - median(accuracies.values()))
                    > BAND[network],
                }
                for name, given in answers.items()
            }
        )
    return rows


def speed_by_batch(contestants, sizes, turns):
    """Images a second of LeNet's training for several batch sizes; about 6,000 images a turn."""
    rows = {}
    for size in sizes:
        for contestant in contestants.values():
            contestant.ask("setup", network="lenet", batch_size=size, momentum=0.0)
            contestant.ask("epoch", order=0, images=2 * size)
        images = 6000 // size * size

        def question(turn, images=images):
            return {"what": "epoch", "order": turn, "images": images}

        answers = take_turns(contestants, turns, question)
        rows[f"LeNet, {images} images, batch {size}"] = {
            name: {"seconds": [answer["seconds"] for answer in given]}
            for name, given in answers.items()
        }
    return rows


def starts(envs, turns):
    """Seconds from import to the first trained LeNet batch: cold, warm, and PyTorch's."""
    found = {"import": {}, "to the first trained batch": {}}

    def run(label, name, cache):
        variables = {**environment(), "NUMBA_CACHE_DIR": cache}
        out = subprocess.run(
            [python_of(name, envs), str(HERE / "start.py"), name],
            env=variables, capture_output=True, text=True, check=True,
        ).stdout.split()  # fmt: skip
        for task, seconds in zip(found, out, strict=True):
            found[task].setdefault(label, []).append(float(seconds))

    for _ in range(turns):
        with tempfile.TemporaryDirectory() as cache:
            run("course, empty cache", "course", cache)
            run("course", "course", cache)
        run("PyTorch eager", "pytorch", "")
    return found


def tutorial_memory(envs) -> float:
    """The peak memory of the whole tutorial, in megabytes."""
    code = (
        "import runpy, sys, protocol; sys.argv = ['x'];"
        f"runpy.run_path({str(ROOT / 'tests' / 'mnist_tutorial.py')!r});"
        "print(protocol.peak_megabytes(), file=sys.stderr)"
    )
    command = [python_of("course", envs), "-c", code]
    variables = {**environment(), "PYTHONPATH": str(HERE)}
    result = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    return float(result.stderr.split()[-1])


def machine() -> dict:
    """What the figures depend on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [li for li in cpuinfo.read_text().splitlines() if li.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    return {"processor": model, "CPUs": os.cpu_count(), "Python": platform.python_version()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two turns, and no variants")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--envs", type=Path, help="where to keep the virtual environments")
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    options = parser.parse_args()
    default = Path(platformdirs.user_cache_dir("neural-network-course")) / "benchmark"
    envs = (options.envs or default).resolve()
    turns = {"mlp": 10, "lenet": 5} if not options.quick else {"mlp": 2, "lenet": 2}
    options.out.mkdir(parents=True, exist_ok=True)

    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name), max(turns.values()))
        contestants = enter(options.peers, envs, Path(name))
        results = {}
        for network, title in (("mlp", "MLP"), ("lenet", "LeNet")):
            training, prediction = compete(contestants, network, turns[network], **TUTORIAL)
            results[f"{title}, one epoch"] = training
            results[f"{title}, 10,000 predictions"] = prediction
        if not options.quick:
            momentum = {**TUTORIAL, "momentum": 0.9}
            results["MLP, one epoch, momentum 0.9"] = compete(contestants, "mlp", 5, **momentum)[0]
            results |= speed_by_batch(contestants, (16, 32, 256, 1000), 5)
        about = {"machine": machine()}
        about |= {name: one.ask("about") for name, one in contestants.items()}
        for contestant in contestants.values():
            contestant.close()
    begin = starts(envs, 2 if options.quick else 5)
    memory = tutorial_memory(envs)

    text = report.timing_table(results) + "\n\n"
    for task, rows in begin.items():
        for label, seconds in rows.items():
            text += f"- {task}, {label}: {report.spread(seconds, ' s')}\n"
    text += f"- peak memory of the whole tutorial: {memory:.0f} MB\n\n" + report.about_table(about)
    print(text)
    (options.out / "benchmark.md").write_text(text + "\n", encoding="utf-8")
    facts = {"results": results, "starts": begin, "memory": memory, "about": about}
    (options.out / "benchmark.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    report.chart(dict(list(results.items())[:4]), options.out / "benchmark.png")


if __name__ == "__main__":
    sys.exit(main())
