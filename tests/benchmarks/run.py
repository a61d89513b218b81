"""Our library against PyTorch and MXNet on the CPU, taking turns in one run.

    python tests/benchmarks/run.py            the table of the README (about a quarter of an hour)
    python tests/benchmarks/run.py --quick    two turns, and no variants

Same data, same batch order, same first parameters, same hyper-parameters (the tutorial's). Who
goes first changes from turn to turn. A contestant whose accuracy in the end is off is
disqualified. Writes benchmark.md, benchmark.json, benchmark.png and batches.png to --out.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import platformdirs
import report
from alone import HERE, starts, tutorial_memory
from environments import ROOT, python_of
from machine import machine
from protocol import Contestant, environment

# Package, and what its worker is told. MXNet by itself uses one thread on a machine of two cores,
# which is its best for training; for predicting, all threads are.
PEERS = {
    "PyTorch eager": ("pytorch", "eager"),
    "PyTorch channels_last": ("pytorch", "channels_last"),
    "PyTorch compile": ("pytorch", "compile"),
    "MXNet": ("mxnet",),
    "MXNet, all threads": ("mxnet",),
}
TUTORIAL = {"batch_size": 100, "momentum": 0.0}
BATCH_SIZES = (16, 32, 256, 1000)
# How far an accuracy may lie from the contestants' median: rounding alone moves it so much.
BAND = {"mlp": 0.012, "lenet": 0.006}


def prepare(folder: Path, epochs: int, envs: Path) -> int:
    """Write what all contestants share; returns the number of threads for each."""
    command = [python_of("course", envs), str(HERE / "prepare.py"), str(folder), str(epochs)]
    result = subprocess.run(
        command, env=environment(), stdout=subprocess.PIPE, text=True, check=True
    )
    return int(result.stdout.split()[-1])


def enter(peers, envs: Path, folder: Path, threads: int) -> dict[str, Contestant]:
    """Start all contestants."""
    contestants = {}
    for name in ("course", *peers):
        package, *mode = PEERS.get(name, ("course",))
        command = [python_of(package, envs), str(HERE / f"worker_{package}.py"), str(folder), *mode]
        by_itself = name in ("course", "MXNet")
        variables = {} if by_itself else {"OMP_NUM_THREADS": str(threads)}
        contestants[name] = Contestant(name, command, variables)
    return contestants


def take_turns(contestants, turns, question):
    """Ask all the same, `turns` times: {name: [answers]}.

    The order turns round each time, so that of any two each goes first in half of the turns, and
    starts at another contestant every second time.
    """
    answers = {name: [] for name in contestants}
    names = list(contestants)
    for turn in range(turns):
        first = turn // 2 % len(names)
        order = names[first:] + names[:first]
        for name in order if turn % 2 == 0 else reversed(order):
            answers[name].append(contestants[name].ask(**question(turn)))
    return answers


def seconds_of(answers):
    return {
        name: {"seconds": [answer["seconds"] for answer in given]}
        for name, given in answers.items()
    }


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
    tasks = seconds_of(epochs), seconds_of(predictions)
    for rows in tasks:
        for name, row in rows.items():
            row["accuracy"] = accuracies[name]
            off = abs(accuracies[name] - median(accuracies.values()))
            row["disqualified"] = off > BAND[network]
    return tasks


def speed_by_batch(contestants, turns):
    """LeNet's training with several batch sizes, about 6,000 images a turn: tasks' rows."""
    tasks = {}
    for size in BATCH_SIZES:
        for contestant in contestants.values():
            contestant.ask("setup", network="lenet", batch_size=size, momentum=0.0)
            contestant.ask("epoch", order=0, images=2 * size)
        images = 6000 // size * size

        def question(turn, images=images):
            return {"what": "epoch", "order": turn, "images": images}

        rows = seconds_of(take_turns(contestants, turns, question))
        for row in rows.values():
            row["images_a_second"] = [images / seconds for seconds in row["seconds"]]
        tasks[f"LeNet, {images} images, batch {size}"] = rows
    return tasks


def measure(contestants, turns, variants):
    """All tasks: {title: {contestant: row}}."""
    results, batches = {}, {}
    for network, title in (("mlp", "MLP"), ("lenet", "LeNet")):
        training, prediction = compete(contestants, network, turns[network], **TUTORIAL)
        results[f"{title}, one epoch"] = training
        results[f"{title}, 10,000 predictions"] = prediction
    if variants:
        for network, title in (("mlp", "MLP"), ("lenet", "LeNet")):
            momentum = {**TUTORIAL, "momentum": 0.9}
            training, _ = compete(contestants, network, turns["variants"][network], **momentum)
            results[f"{title}, one epoch, momentum 0.9"] = training
        batches = speed_by_batch(contestants, turns["variants"]["batches"])
    return results, batches


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two turns, and no variants")
    parser.add_argument("--repeats", type=int, help="turns of every task (10 and 5 by default)")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--skip-mxnet", action="store_true", help="for Python from 3.12 on")
    parser.add_argument("--envs", type=Path, help="where to keep the virtual environments")
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    return parser.parse_args()


def main() -> None:
    chosen = options()
    peers = [p for p in chosen.peers if not (chosen.skip_mxnet and PEERS[p][0] == "mxnet")]
    default = Path(platformdirs.user_cache_dir("neural-network-course")) / "benchmark"
    envs = (chosen.envs or default).resolve()
    few = chosen.repeats or (2 if chosen.quick else 5)
    many = chosen.repeats or (2 if chosen.quick else 10)
    turns = {"mlp": many, "lenet": few, "variants": {"mlp": few, "lenet": min(few, 3)}}
    turns["variants"]["batches"] = few
    chosen.out.mkdir(parents=True, exist_ok=True)

    with tempfile.TemporaryDirectory() as name:
        threads = prepare(Path(name), max(many, few), envs)
        contestants = enter(peers, envs, Path(name), threads)
        results, batches = measure(contestants, turns, not chosen.quick)
        about = {"machine": machine(threads)}
        about |= {name: one.ask("about") for name, one in contestants.items()}
        for contestant in contestants.values():
            contestant.close()
    begin = starts(envs, few, pytorch=any(PEERS[peer][0] == "pytorch" for peer in peers))
    memory = tutorial_memory(envs)

    text = report.whole(results | batches, BAND, begin, memory, about)
    print(text)
    (chosen.out / "benchmark.md").write_text(text + "\n", encoding="utf-8")
    facts = {"results": results | batches, "starts": begin, "memory": memory, "about": about}
    (chosen.out / "benchmark.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    report.chart(dict(list(results.items())[:4]), chosen.out / "benchmark.png")
    if batches:
        report.batch_chart(batches, BATCH_SIZES, chosen.out / "batches.png")


if __name__ == "__main__":
    sys.exit(main())
