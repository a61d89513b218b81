"""Nothing is lost: training goes on where it stopped, and a killed writer leaves good files."""

import itertools
import multiprocessing
import os
import pickle
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import course as mx
from tests.networks import blobs

MXNETS = Path(__file__).with_name("mxnet_checkpoint")  # made by tests/tools


def network():
    net = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=8, name="fc1")
    net = mx.sym.Activation(mx.sym.BatchNorm(net, name="bn"), act_type="relu", name="relu")
    net = mx.sym.FullyConnected(mx.sym.Dropout(net, p=0.3), num_hidden=3, name="fc2")
    return mx.sym.SoftmaxOutput(net, name="softmax")


def iterator():
    data, label = blobs(50, np.random.default_rng(3))
    return mx.io.NDArrayIter(data, label, 8, shuffle=True)


def sgd():
    scheduler = mx.lr_scheduler.FactorScheduler(9, 0.5)
    return "sgd", {"learning_rate": 0.2, "momentum": 0.9, "wd": 0.01, "lr_scheduler": scheduler}


def adam():
    scheduler = mx.lr_scheduler.CosineScheduler(40, warmup_steps=5)
    return "adam", {"learning_rate": 0.01, "lr_scheduler": scheduler}


OPTIMIZERS = {
    "sgd": sgd,
    "adam": adam,
    "nag": lambda: ("nag", {"learning_rate": 0.1, "momentum": 0.5}),
    "rmsprop": lambda: ("rmsprop", {"learning_rate": 0.01, "centered": True}),
    "adagrad": lambda: ("adagrad", {"learning_rate": 0.1}),
    "adadelta": lambda: ("adadelta", {}),
}


def train(module, prefix, kind, begin=0, end=4):
    """Train with a checkpoint after each epoch."""
    optimizer, settings = OPTIMIZERS[kind]()
    module.fit(
        iterator(),
        begin_epoch=begin,
        num_epoch=end,
        optimizer=optimizer,
        optimizer_params=settings,
        initializer=mx.init.Xavier(),
        epoch_end_callback=mx.callback.module_checkpoint(
            module, prefix, save_optimizer_states=True
        ),
    )


def files(prefix, epoch):
    return [Path(f"{prefix}-{epoch:04d}.{kind}").read_bytes() for kind in ("params", "states")]


# ---- going on


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("stopped", [1, 3])
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(tmp_path, kind, stopped):
    train(mx.mod.Module(network()), tmp_path / "whole", kind)
    mx.random.seed(99)  # another process would stand elsewhere

    resumed = mx.mod.Module.load(tmp_path / "whole", stopped, load_optimizer_states=True)
    train(resumed, tmp_path / "resumed", kind, begin=stopped)

    assert files(tmp_path / "resumed", 4) == files(tmp_path / "whole", 4)


def test_another_process_goes_on_just_as_well(tmp_path):
    train(mx.mod.Module(network()), tmp_path / "whole", "adam")
    program = (
        "import course as mx; from tests.test_checkpoints import train\n"
        f"module = mx.mod.Module.load({str(tmp_path / 'whole')!r}, 2, load_optimizer_states=True)\n"
        f"train(module, {str(tmp_path / 'resumed')!r}, 'adam', begin=2)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[1])
    assert files(tmp_path / "resumed", 4) == files(tmp_path / "whole", 4)


def test_without_the_states_it_is_another_run(tmp_path):
    train(mx.mod.Module(network()), tmp_path / "whole", "sgd")
    train(mx.mod.Module.load(tmp_path / "whole", 3), tmp_path / "other", "sgd", begin=3)
    assert files(tmp_path / "other", 4) != files(tmp_path / "whole", 4)


def test_a_schedule_goes_back_with_the_states(tmp_path):
    scheduler = mx.lr_scheduler.FactorScheduler(7, 0.5)  # 7 batches an epoch
    optimizer = mx.optimizer.SGD(learning_rate=0.2, rescale_grad=1 / 8, lr_scheduler=scheduler)
    module = mx.mod.Module(network())
    module.fit(iterator(), num_epoch=1, optimizer=optimizer)
    module.save_optimizer_states(tmp_path / "first.states")
    module.fit(iterator(), begin_epoch=1, num_epoch=2, optimizer=optimizer)
    assert optimizer.learning_rate == 0.1
    module.load_optimizer_states(tmp_path / "first.states")
    assert optimizer.learning_rate == 0.2


def test_validation_in_another_order_each_time_changes_nothing(tmp_path):
    data, label = blobs(20, np.random.default_rng(5))

    def fit(module, prefix, begin):
        module.fit(
            iterator(),
            eval_data=mx.io.NDArrayIter(data, label, 8, shuffle=True),
            begin_epoch=begin,
            num_epoch=4,
            optimizer_params={"learning_rate": 0.1, "momentum": 0.9},
            epoch_end_callback=mx.callback.module_checkpoint(
                module, prefix, save_optimizer_states=True
            ),
        )

    fit(mx.mod.Module(network()), tmp_path / "whole", 0)
    resumed = mx.mod.Module.load(tmp_path / "whole", 2, load_optimizer_states=True)
    fit(resumed, tmp_path / "resumed", 2)
    assert files(tmp_path / "resumed", 4) == files(tmp_path / "whole", 4)


def test_two_calls_of_fit_equal_one(tmp_path):
    train(mx.mod.Module(network()), tmp_path / "one", "nag")
    mx.random.seed(0)  # as the fixture of every test does
    module = mx.mod.Module(network())
    train(module, tmp_path / "two", "nag", end=2)
    train(module, tmp_path / "two", "nag", begin=2)
    assert files(tmp_path / "two", 4) == files(tmp_path / "one", 4)


def test_a_checkpoint_after_fit_is_as_good_as_one_within(tmp_path):
    train(mx.mod.Module(network()), tmp_path / "whole", "nag")
    mx.random.seed(0)
    module = mx.mod.Module(network())
    train(module, tmp_path / "half", "nag", end=2)
    module.save_checkpoint(tmp_path / "after", 2, save_optimizer_states=True)
    iterator()  # draws nothing
    resumed = mx.mod.Module.load(tmp_path / "after", 2, load_optimizer_states=True)
    train(resumed, tmp_path / "resumed", "nag", begin=2)
    assert files(tmp_path / "resumed", 4) == files(tmp_path / "whole", 4)


def test_what_is_drawn_in_between_can_be_forgotten():
    mx.random.seed(5)
    expected = mx.random.generator().random(3)
    mx.random.seed(5)
    with mx.random.kept():
        mx.random.generator().random(10)
    np.testing.assert_array_equal(mx.random.generator().random(3), expected)


def test_what_one_thread_forgets_changes_nothing_in_another():
    mx.random.seed(5)
    expected = mx.random.generator().random(6)
    mx.random.seed(5)
    drawn = []
    other = threading.Thread(target=lambda: drawn.append(mx.random.generator().random(3)))
    with mx.random.kept():
        mx.random.seed(1)  # for this thread, in here
        other.start()
        other.join()
    drawn.append(mx.random.generator().random(3))
    np.testing.assert_array_equal(np.concatenate(drawn), expected)


# ---- files that do not belong together


def test_states_that_were_not_saved_with_the_parameters_are_refused(tmp_path):
    train(mx.mod.Module(network()), tmp_path / "net", "sgd", end=2)
    (tmp_path / "net-0002.states").write_bytes((tmp_path / "net-0001.states").read_bytes())
    with pytest.raises(ValueError, match=r"net-0002\.states was not saved together with"):
        mx.mod.Module.load(tmp_path / "net", 2, load_optimizer_states=True)


def test_states_of_another_optimizer_change_nothing(tmp_path):
    train(mx.mod.Module(network()), tmp_path / "adagrad", "adagrad", end=1)
    module = mx.mod.Module(network())
    train(module, tmp_path / "net", "nag", end=1)  # its state has the same shapes
    module.save_optimizer_states(tmp_path / "before.states")
    with pytest.raises(ValueError, match="is of 'AdaGrad', not of 'NAG'"):
        module.load_optimizer_states(tmp_path / "adagrad-0001.states")
    module.save_optimizer_states(tmp_path / "after.states")
    assert (tmp_path / "after.states").read_bytes() == (tmp_path / "before.states").read_bytes()


def test_a_module_whose_states_do_not_fit_does_not_train_without_them(tmp_path):
    train(mx.mod.Module(network()), tmp_path / "net", "adam", end=1)
    module = mx.mod.Module.load(tmp_path / "net", 1, load_optimizer_states=True)
    for _ in range(2):
        with pytest.raises(ValueError, match="is of 'Adam', not of 'SGD'"):
            train(module, tmp_path / "other", "sgd", begin=1)
    train(module, tmp_path / "net", "adam", begin=1)
    assert (tmp_path / "net-0004.states").exists()


def test_a_params_file_is_no_states_file(tmp_path):
    train(mx.mod.Module(network()), tmp_path / "net", "sgd", end=1)
    (tmp_path / "net-0001.params").replace(tmp_path / "net-0001.states")
    module = mx.mod.Module(network())
    train(module, tmp_path / "other", "sgd", end=1)
    with pytest.raises(ValueError, match=r"is no \.states file: it has no 'optimizer'"):
        module.load_optimizer_states(tmp_path / "net-0001.states")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"bit_generator": "MT19937"}'])
def test_a_wrong_random_state_is_refused_and_changes_nothing(text):
    before = mx.random.get_state()
    with pytest.raises(ValueError, match="no state of the random numbers"):
        mx.random.set_state(text)
    assert mx.random.get_state() == before


# ---- MXNet's own files


def mxnets_module():
    module = mx.mod.Module.load(MXNETS / "mxnet", 3)
    module.bind([("data", (4, 2, 7, 7))], for_training=False)
    return module


def test_a_network_that_mxnet_trained_predicts_the_same_here(tmp_path):
    known = np.load(MXNETS / "predictions.npz")
    module = mxnets_module()
    np.testing.assert_allclose(module.predict(known["data"]), known["probabilities"], atol=1e-5)
    module.save_checkpoint(tmp_path / "ours", 3)
    again = mx.mod.Module.load(tmp_path / "ours", 3)
    again.bind([("data", (4, 2, 7, 7))], for_training=False)
    np.testing.assert_array_equal(again.predict(known["data"]), module.predict(known["data"]))


def test_mxnets_parameters_come_back_byte_by_byte(tmp_path):
    arrays = mx.model.load_arrays(MXNETS / "mxnet-0003.params")
    mx.model.save_arrays(tmp_path / "ours.params", arrays)
    theirs = (MXNETS / "mxnet-0003.params").read_bytes()
    assert (tmp_path / "ours.params").read_bytes() == theirs


MXNETS_PROGRAM = """
import sys
import mxnet as mx, numpy as np
folder = sys.argv[1]
module = mx.mod.Module.load(folder + "/ours", 1)
known = np.load(folder + "/known.npz")
iterator = mx.io.NDArrayIter(known["data"], np.zeros(len(known["data"])), 4)
module.bind(iterator.provide_data, iterator.provide_label, for_training=False)
for theirs, ours in zip(module.predict(iterator), (known["first"], known["second"])):
    np.testing.assert_allclose(theirs.asnumpy(), ours, atol=1e-5)
"""


@pytest.mark.skipif(
    "MXNET_PYTHON" not in os.environ, reason="set MXNET_PYTHON to a Python that has MXNet 1.x"
)
def test_mxnet_loads_ours_and_predicts_the_same(tmp_path):
    net = mx.sym.Convolution(
        mx.sym.var("data"), kernel=(3, 3), num_filter=4, pad=(1, 1), num_group=2, stride=(2, 1)
    )
    net = mx.sym.Activation(mx.sym.BatchNorm(net, fix_gamma=False), act_type="softsign")
    pad = {"pad": (1, 1), "count_include_pad": False, "pool_type": "avg"}
    net = mx.sym.Pooling(net, kernel=(3, 3), stride=(2, 2), pooling_convention="full", **pad)
    net = mx.sym.Concat(net * 2 + 1, 1 - net, net * net - 3, mx.sym.Dropout(net), -net + net)
    net = mx.sym.FullyConnected(net, num_hidden=5, no_bias=True)
    net = mx.sym.Group([mx.sym.SoftmaxOutput(net, name="softmax"), mx.sym.softmax(net)])
    data = np.random.default_rng(0).random((8, 2, 7, 7), np.float32)
    train = mx.io.NDArrayIter(data, np.arange(8) % 5, 4)
    module = mx.mod.Module(net)
    module.fit(train, num_epoch=2, initializer=mx.init.Xavier(), eval_metric=mx.metric.Loss())
    module.save_checkpoint(tmp_path / "ours", 1)
    first, second = module.predict(train)
    np.savez(tmp_path / "known.npz", data=data, first=first, second=second)
    command = [os.environ["MXNET_PYTHON"], "-c", MXNETS_PROGRAM, str(tmp_path)]
    subprocess.run(command, check=True, cwd=tmp_path)


def test_the_rule_for_a_weight_comes_with_mxnets_graph():
    net = mx.sym.load(MXNETS / "mxnet-symbol.json")
    module = mx.mod.Module(net)
    module.bind([("data", (4, 2, 40, 40))])
    module.init_params(mx.init.Zero())
    weights = module.get_params()[0]
    assert weights["conv1_weight"].std() == 0
    assert weights["fc1_weight"].std() == pytest.approx(0.2, rel=0.02)  # 24,000 draws


@pytest.mark.parametrize("kind", ["f2", "f8"])
def test_parameters_of_another_precision_are_converted(tmp_path, kind):
    module = mxnets_module()
    args, aux = (
        {name: np.asarray(value).astype(kind) for name, value in group.items()}
        for group in module.get_params()
    )
    mx.model.save_checkpoint(tmp_path / "net", 1, module.symbol, args, aux)
    other = mx.mod.Module.load(tmp_path / "net", 1)
    other.bind([("data", (4, 2, 7, 7))], for_training=False)
    data = np.load(MXNETS / "predictions.npz")["data"]
    np.testing.assert_allclose(other.predict(data), module.predict(data), atol=2e-3)  # float16


# ---- killed while writing


def save_forever(folder, progress):
    """In a process of its own: checkpoints whose numbers all equal the epoch's."""
    data = mx.sym.FullyConnected(mx.sym.var("data"), num_hidden=100, name="fc")
    module = mx.mod.Module(mx.sym.SoftmaxOutput(data, name="softmax"))
    module.bind([("data", (1, 1000))], [("softmax_label", (1,))])
    module.init_params()
    module.init_optimizer(optimizer_params={"momentum": 0.9})
    shapes = {name: value.shape for name, value in module.get_params()[0].items()}
    for epoch in itertools.count(1):
        module.set_params({name: np.full(shape, epoch) for name, shape in shapes.items()}, {})
        module.save_checkpoint(folder / "net", epoch, save_optimizer_states=True)
        module.save_params(folder / "last.params")
        progress.send(epoch)


def only_value(params):
    (value,) = {float(number) for array in params.values() for number in np.unique(array)}
    return value


def kill_at_random(context, folder, seconds):
    """The last epoch that a writer reported before it was killed."""
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=save_forever, args=(folder, sender), daemon=True)
    process.start()
    assert receiver.poll(60), "the writer did not start"
    epoch = receiver.recv()
    end = time.perf_counter() + seconds
    while (left := end - time.perf_counter()) > 0:
        if receiver.poll(left):
            epoch = receiver.recv()
    process.kill()
    process.join(60)
    while receiver.poll():
        epoch = receiver.recv()
    process.close()
    receiver.close()
    sender.close()
    return epoch


def test_a_hundred_kills_leave_good_checkpoints(tmp_path):
    forkserver = "forkserver" in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if forkserver else "spawn")
    if forkserver:
        context.set_forkserver_preload(["tests.test_checkpoints"])
    draw = random.Random(0)
    in_the_middle = 0
    for kill in range(100 if forkserver else 20):  # a new interpreter each time takes a second
        folder = tmp_path / str(kill)
        folder.mkdir()

        reported = kill_at_random(context, folder, draw.uniform(0, 0.02))

        in_the_middle += any(path.suffix == ".part" for path in folder.iterdir())
        epochs = [int(path.stem[-4:]) for path in folder.glob("net-*.params")]
        assert reported in epochs
        for epoch in epochs:
            module = mx.mod.Module.load(folder / "net", epoch, load_optimizer_states=True)
            module.bind([("data", (1, 1000))])
            assert only_value(module.get_params()[0]) == epoch
        assert only_value(mx.model.load_params(folder / "last.params")[0]) >= reported
    assert in_the_middle > 10, "hardly any kill met a writer at work"


# ---- strangers' files


class Trap:
    """What runs when this is unpickled."""

    def __reduce__(self):
        return exec, ("raise SystemExit('a pickle was run')",)


@pytest.mark.parametrize("ending", ["params", "states", "safetensors"])
def test_a_pickle_is_not_opened(tmp_path, ending):
    path = tmp_path / f"trap.{ending}"
    path.write_bytes(pickle.dumps(Trap()))
    module = mx.mod.Module(network())
    train(module, tmp_path / "net", "sgd", end=1)
    load = module.load_optimizer_states if ending == "states" else module.load_params
    with pytest.raises(ValueError, match=f"trap.{ending}"):
        load(path)
