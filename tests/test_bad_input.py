"""Wrong settings of every public function: each ends in one error that names the thing.

Arrays that are unusual or wrong are in test_bad_arrays.py.
"""

import math

import numpy as np
import pytest

import course as mx

data = mx.sym.var("data")
labels = np.array([0, 1, 1, 0])
scores = np.full((4, 2), 0.5)
images = np.zeros((4, 2))


def digits():
    return mx.io.NDArrayIter(images, labels, 2)


# --- kinds of settings, and what is none of each ---------------------------------------------

WRONG_FOR_ALL = ["x", b"x", 1j, [None], {}, object(), (1, 2, 3), math.nan, -math.inf]
COUNT = [*WRONG_FOR_ALL, 0, -1, 1.5, True, math.inf, 10**30, (2, 2)]  # 1, 2, 3 ...
FROM_ZERO = [*WRONG_FOR_ALL, -1, 1.5, True, math.inf, 10**30]
NUMBER = [*WRONG_FOR_ALL, True, math.inf, 10**400]
POSITIVE = [*NUMBER, -1]  # 0 included
BELOW_ONE = [*POSITIVE, 1, 1.5]
FLAG = ["x", "", None, 2, -1, 0.5, [], {}, math.nan, object()]
CHOICE = [*WRONG_FOR_ALL, "", None, 0, True, [], np.array([1, 2])]
PAIR = [*WRONG_FOR_ALL, -1, 1.5, True, (1,), (1, 2, 3), (1.5, 2), (True, 2), ("a", "b"), 10**30]
WINDOW = [*PAIR, 0, (0, 2), (2, 0), (-1, 2)]  # at least 1
TEXT = [b"x", 0, 1.5, True, [], {}, object(), ("a",)]
FUNCTION = ["x", 0, 1.5, [], {}, math.nan]
SYMBOL = ["data", 0, 1.5, np.ones(3), [], {}, object()]
SHAPE = ["ab", 5, 1.5, (-1, 2), (1.5, 2), ("a", "b"), {1: 2}, (math.nan,)]
DICT = ["x", 5, 1.5, [1], (1, 2), object()]
LIST = ["ab", 5, 1.5, object(), {1: 2}]
ITERATOR = [None, "x", 5, [], {}, images]


# --- the tables: a call with good settings, then what is wrong for each of them ----------------

LAYERS = {
    "layers.FullyConnected": (
        mx.layers.FullyConnected, {"num_hidden": 3},
        {"num_hidden": [*COUNT, None], "no_bias": FLAG, "flatten": FLAG, "name": TEXT},
    ),
    "layers.Convolution": (
        mx.layers.Convolution, {"kernel": (2, 2), "num_filter": 4},
        {
            "kernel": WINDOW, "num_filter": [*COUNT, None], "stride": WINDOW, "dilate": WINDOW,
            "pad": PAIR, "num_group": [*COUNT, 3], "no_bias": FLAG, "name": TEXT,
        },
    ),
    "layers.Pooling": (
        mx.layers.Pooling, {"kernel": (2, 2)},
        {
            "kernel": [*WINDOW, None], "stride": WINDOW, "pad": [*PAIR, (2, 2)],
            "pool_type": [*CHOICE, "lp"], "pooling_convention": CHOICE, "global_pool": FLAG,
            "count_include_pad": FLAG, "name": TEXT,
        },
    ),
    "layers.Activation": (
        mx.layers.Activation, {"act_type": "relu"}, {"act_type": [*CHOICE, "Relu"], "name": TEXT}
    ),
    "layers.BatchNorm": (
        mx.layers.BatchNorm, {},
        {
            "eps": [*POSITIVE, 0], "momentum": [*POSITIVE, 1.5], "fix_gamma": FLAG,
            "use_global_stats": FLAG, "name": TEXT,
        },
    ),
    "layers.Dropout": (mx.layers.Dropout, {}, {"p": BELOW_ONE, "name": TEXT}),
    "layers.Softmax": (mx.layers.Softmax, {}, {"name": TEXT}),
    "layers.SoftmaxOutput": (
        mx.layers.SoftmaxOutput, {},
        {
            "grad_scale": NUMBER, "ignore_label": NUMBER, "use_ignore": FLAG,
            "normalization": CHOICE, "name": TEXT,
        },
    ),
    "layers.Flatten": (mx.layers.Flatten, {}, {"name": TEXT}),
    "layers.Concat": (
        mx.layers.Concat, {"num_args": 2},
        {"num_args": [*COUNT, 10**6], "dim": FROM_ZERO, "name": TEXT},
    ),
    "layers.Add": (mx.layers.Add, {}, {"name": TEXT}),
    "layers.Subtract": (mx.layers.Subtract, {}, {"name": TEXT}),
    "layers.Multiply": (mx.layers.Multiply, {}, {"name": TEXT}),
    "layers.AddScalar": (mx.layers.AddScalar, {"scalar": 2}, {"scalar": NUMBER}),
    "layers.SubtractScalar": (mx.layers.SubtractScalar, {"scalar": 2}, {"scalar": NUMBER}),
    "layers.MultiplyScalar": (mx.layers.MultiplyScalar, {"scalar": 2}, {"scalar": NUMBER}),
    "layers.ReverseSubtractScalar": (
        mx.layers.ReverseSubtractScalar, {"scalar": 2}, {"scalar": NUMBER}
    ),
}  # fmt: skip


def not_default(value):
    """None and True mean the default and 1 there; an array cannot be compared with a default."""
    return value is not None and value is not True and not isinstance(value, np.ndarray)


def symbols_table():
    """The functions that make symbols take what their layers take, and symbols."""
    makers = {
        "FullyConnected": ("data", "weight", "bias"), "Convolution": ("data", "weight", "bias"),
        "Pooling": ("data",), "Activation": ("data",), "Dropout": ("data",), "Flatten": ("data",),
        "BatchNorm": ("data", "gamma", "beta", "moving_mean", "moving_var"),
        "SoftmaxOutput": ("data", "label"),
    }  # fmt: skip
    table = {}
    for name, inputs in makers.items():
        _, good, wrong = LAYERS[f"layers.{name}"]
        settings = {key: list(filter(not_default, values)) for key, values in wrong.items()}
        settings |= dict.fromkeys(inputs, SYMBOL)
        del settings["name"]
        table[f"sym.{name}"] = (getattr(mx.sym, name), {"data": data, **good}, settings)
    return table


SYMBOLS = {
    **symbols_table(),
    "sym.softmax": (mx.sym.softmax, {"data": data}, {"data": SYMBOL}),
    "sym.Concat": (
        lambda one, dim=1: mx.sym.Concat(one, data, dim=dim), {"one": data},
        {"dim": [v for v in FROM_ZERO if v is not True]},
    ),
    "sym.var": (
        mx.sym.var, {"name": "a"},
        {
            "name": [*TEXT, "", None], "shape": SHAPE, "init": ["x", 5, [], {}],
            "lr_mult": POSITIVE, "wd_mult": POSITIVE,
        },
    ),
    "sym.Symbol": (
        lambda shape: mx.networks.mlp().infer_shape(data=shape), {"shape": (1, 1, 28, 28)},
        {"shape": ["ab", 5, 1.5, (-1, 2), (1.5, 2), ("a", "b")]},
    ),
    "chain": (
        lambda first, step: mx.chain(first, step),
        {"first": data, "step": mx.FullyConnected(num_hidden=2)},
        {"first": [], "step": [mx.FullyConnected(data, num_hidden=2)]},
    ),
}  # fmt: skip

ITERATORS = {
    "io.NDArrayIter": (
        mx.io.NDArrayIter, {"data": images, "label": labels, "batch_size": 2},
        {
            "batch_size": COUNT, "shuffle": FLAG, "last_batch_handle": CHOICE,
            "data": [None, "x", 5, object(), images[:3], images[:0]],
            "label": ["x", 5, object(), labels[:3]],
        },
    ),
    "io.ResizeIter": (
        mx.io.ResizeIter, {"data_iter": digits(), "size": 3},
        {"data_iter": ITERATOR, "size": COUNT, "reset_internal": FLAG},
    ),
    "io.DataDesc": (
        mx.io.DataDesc, {"name": "data", "shape": (1, 2)},
        {"name": [*TEXT, None], "shape": [v for v in SHAPE if not isinstance(v, dict)]},
    ),
    "io.DataBatch": (
        mx.io.DataBatch, {"data": [images]},
        {"data": [images, "x", 5, {}], "label": [labels, "x", 5, {}]},
    ),
}  # fmt: skip

RULES = {
    "init.Constant": (mx.init.Constant, {}, {"value": NUMBER}),
    "init.Uniform": (mx.init.Uniform, {}, {"scale": POSITIVE}),
    "init.Normal": (mx.init.Normal, {}, {"sigma": POSITIVE}),
    "init.Orthogonal": (mx.init.Orthogonal, {}, {"scale": POSITIVE, "rand_type": CHOICE}),
    "init.Xavier": (
        mx.init.Xavier, {}, {"rnd_type": CHOICE, "factor_type": CHOICE, "magnitude": POSITIVE}
    ),
    "init.MSRAPrelu": (mx.init.MSRAPrelu, {}, {"factor_type": CHOICE, "slope": NUMBER}),
    "init.Mixed": (
        mx.init.Mixed, {"patterns": [".*"], "initializers": [mx.init.Zero()]},
        {"patterns": [*LIST, [], [5], ["a", "b"]], "initializers": LIST},
    ),
    "init.create": (
        lambda initializer: mx.init.create(initializer), {"initializer": "zero"},
        {"initializer": [v for v in CHOICE if not callable(v)]},
    ),
}  # fmt: skip

COMMON = {
    "rescale_grad": NUMBER, "wd": POSITIVE, "clip_gradient": [*POSITIVE, 0],
    "lr_scheduler": FUNCTION, "learning_rate": POSITIVE, "begin_num_update": FROM_ZERO,
    "decay_all": FLAG, "param_idx2name": DICT,
}  # fmt: skip
OPTIMIZERS = {
    "optimizer.Optimizer": (mx.optimizer.Optimizer, {}, COMMON),
    "optimizer.SGD": (mx.optimizer.SGD, {}, {**COMMON, "momentum": BELOW_ONE}),
    "optimizer.NAG": (mx.optimizer.NAG, {}, {**COMMON, "momentum": BELOW_ONE}),
    "optimizer.Adam": (
        mx.optimizer.Adam, {},
        {**COMMON, "beta1": BELOW_ONE, "beta2": BELOW_ONE, "epsilon": POSITIVE},
    ),
    "optimizer.RMSProp": (
        mx.optimizer.RMSProp, {},
        {
            **COMMON, "gamma1": BELOW_ONE, "gamma2": BELOW_ONE, "epsilon": POSITIVE,
            "centered": FLAG,
        },
    ),
    "optimizer.AdaGrad": (mx.optimizer.AdaGrad, {}, {**COMMON, "eps": POSITIVE}),
    "optimizer.AdaDelta": (
        mx.optimizer.AdaDelta, {}, {**COMMON, "rho": BELOW_ONE, "epsilon": POSITIVE}
    ),
    "optimizer.create": (
        lambda optimizer: mx.optimizer.create(optimizer), {"optimizer": "sgd"},
        {"optimizer": CHOICE},
    ),
    "SGD": (
        lambda momentum=0, grad_clip=0: mx.SGD(0.1, momentum, grad_clip=grad_clip), {},
        {"momentum": BELOW_ONE, "grad_clip": POSITIVE},
    ),
}  # fmt: skip

WARM_UP = {
    "base_lr": POSITIVE, "warmup_steps": [v for v in FROM_ZERO if v != 10**30],
    "warmup_begin_lr": [*POSITIVE, 5], "warmup_mode": CHOICE,
}  # fmt: skip
STEPS = [v for v in COUNT if v != 10**30]  # after more updates than anybody makes
SCHEDULERS = {
    "lr_scheduler.LRScheduler": (mx.lr_scheduler.LRScheduler, {}, WARM_UP),
    "lr_scheduler.FactorScheduler": (
        mx.lr_scheduler.FactorScheduler, {"step": 3},
        {**WARM_UP, "step": STEPS, "factor": [*POSITIVE[:9], 0, 1.5], "stop_factor_lr": POSITIVE},
    ),
    "lr_scheduler.MultiFactorScheduler": (
        mx.lr_scheduler.MultiFactorScheduler, {"step": [3]},
        {**WARM_UP, "step": [*LIST, [], [0], [2, 1], [1.5]], "factor": [*POSITIVE[:9], 0, 1.5]},
    ),
    "lr_scheduler.PolyScheduler": (
        mx.lr_scheduler.PolyScheduler, {"max_update": 9},
        {**WARM_UP, "max_update": STEPS, "pwr": POSITIVE, "final_lr": POSITIVE},
    ),
    "lr_scheduler.CosineScheduler": (
        mx.lr_scheduler.CosineScheduler, {"max_update": 9},
        {**WARM_UP, "max_update": STEPS, "final_lr": POSITIVE},
    ),
}  # fmt: skip

METRICS = {
    "metric.Accuracy": (mx.metric.Accuracy, {}, {"axis": ["x", 1.5, None, [], -2]}),
    "metric.TopKAccuracy": (mx.metric.TopKAccuracy, {"top_k": 2}, {"top_k": [*COUNT, 1]}),
    "metric.F1": (mx.metric.F1, {}, {"average": CHOICE}),
    "metric.CrossEntropy": (mx.metric.CrossEntropy, {}, {"eps": POSITIVE}),
    "metric.NegativeLogLikelihood": (mx.metric.NegativeLogLikelihood, {}, {"eps": POSITIVE}),
    "metric.Perplexity": (mx.metric.Perplexity, {}, {"ignore_label": NUMBER}),
    "metric.CustomMetric": (
        mx.metric.CustomMetric, {"feval": max}, {"feval": FUNCTION, "allow_extra_outputs": FLAG}
    ),
    "metric.np": (
        lambda feval, allow_extra_outputs=False: mx.metric.np(feval, None, allow_extra_outputs),
        {"feval": max}, {"feval": FUNCTION, "allow_extra_outputs": FLAG},
    ),
    "metric.CompositeEvalMetric": (
        mx.metric.CompositeEvalMetric, {}, {"metrics": LIST}
    ),
    "metric.create": (
        lambda metric: mx.metric.create(metric), {"metric": "acc"},
        {"metric": ["x", "", None, 5, {}, object(), ["acc", "x"], int]},
    ),
}  # fmt: skip

REST = {
    "mon.Monitor": (
        mx.mon.Monitor, {"interval": 2},
        {
            "interval": COUNT, "stat_func": FUNCTION, "pattern": TEXT, "sort": FLAG,
            "monitor_all": FLAG,
        },
    ),
    "random.seed": (
        mx.random.seed, {"seed_state": 1},
        {"seed_state": [v for v in FROM_ZERO if v != 10**30]},
    ),
    "random.set_state": (
        lambda state: mx.random.set_state(state), {"state": mx.random.get_state()},
        {"state": [None, "x", 5, [], "{}", "[1]"]},
    ),
    "nd.array": (
        mx.nd.array, {"source_array": [1, 2]},
        {"source_array": ["x", None, {}, object(), [[1], [1, 2]]], "dtype": ["x", object, {}]},
    ),
    "nd.zeros": (mx.nd.zeros, {"shape": 3}, {"shape": SHAPE[:1] + SHAPE[2:], "dtype": ["x", str]}),
    "nd.ones": (mx.nd.ones, {"shape": 3}, {"shape": SHAPE[:1] + SHAPE[2:], "dtype": ["x", str]}),
    "name.Prefix": (mx.name.Prefix, {"prefix": "a_"}, {"prefix": [*TEXT, None]}),
    "networks.trained": (
        mx.networks.trained, {"name": "mlp", "batch_size": 2},
        {"name": CHOICE, "batch_size": COUNT},
    ),
    "test_utils.get_mnist": (
        mx.test_utils.get_mnist, {"source": "sample"},
        {"source": [v for v in CHOICE if not isinstance(v, np.ndarray)]},
    ),
    "get_mnist_providers": (
        mx.get_mnist_providers, {"batch_size": 10, "source": "sample"},
        {"batch_size": COUNT, "flat": FLAG},
    ),
    "set_num_threads": (
        lambda number_of_threads: mx.set_num_threads(number_of_threads),
        {"number_of_threads": mx.get_num_threads()},
        {"number_of_threads": COUNT},
    ),
    "viz.print_summary": (
        mx.viz.print_summary, {"symbol": data + 1},
        {
            "symbol": [*SYMBOL, None], "shape": DICT, "line_length": COUNT,
            "positions": [(1, 2), (0.5,)],
        },
    ),
    "viz.plot_network": (
        mx.viz.plot_network, {"symbol": data + 1},
        {"symbol": [*SYMBOL, None], "shape": DICT, "hide_weights": FLAG},
    ),
    "viz.plot_predictions": (
        mx.viz.plot_predictions,
        {"images": np.zeros((4, 3, 3)), "probabilities": scores},
        {
            "images": [images, 5, "x", np.zeros((3, 3, 3))],
            "probabilities": [labels, 5, "x", scores[:3]],
            "labels": [labels[:3]], "columns": COUNT,
        },
    ),
}  # fmt: skip

TABLE = LAYERS | SYMBOLS | ITERATORS | RULES | OPTIMIZERS | SCHEDULERS | METRICS | REST
CASES = [
    pytest.param(name, key, value, id=f"{name}-{key}-{k}")
    for name, (_, _, wrong) in TABLE.items()
    for key, values in wrong.items()
    for k, value in enumerate(values)
]
WORDS = {  # errors that call the setting by another word
    "name": "name|text|string",
    "step": "step|data already",
    "shape": "shape|axis|expected|whole|name",
    "number_of_threads": "number of threads",
}


@pytest.mark.parametrize("name", TABLE)
def test_the_good_settings_are_taken(name, capsys):
    make, good, _ = TABLE[name]
    make(**good)


@pytest.mark.parametrize(("name", "key", "value"), CASES)
def test_a_wrong_setting_ends_in_an_error_that_names_it(name, key, value):
    make, good, _ = TABLE[name]
    with pytest.raises((ValueError, TypeError), match=WORDS.get(key, key)) as caught:
        make(**{**good, key: value})
    assert len(str(caught.value)) < 1000


def public_functions():
    """All that a user can call, by name."""
    modules = ["", "init", "io", "layers", "lr_scheduler", "metric", "mon", "name", "nd"]
    modules += ["networks", "optimizer", "random", "sym", "test_utils", "viz"]
    for where in modules:
        module = getattr(mx, where) if where else mx
        for name in getattr(module, "__all__", None) or vars(module):
            thing = getattr(module, name)
            home = getattr(thing, "__module__", "")
            here = home.startswith("course") and where in ("", "layers", "sym")
            if callable(thing) and not name.startswith("_") and (here or home == module.__name__):
                yield f"{where}.{name}" if where else name


# Not in the tables: what takes nothing that could be wrong; what is another name of something
# there; and what has tests of its own.
ELSEWHERE = {
    "takes nothing": """current_context get_num_threads num_gpus init.Zero init.One name.current
        name.NameManager networks.mlp networks.lenet random.generator random.get_state random.kept
        test_utils.list_gpus metric.MAE metric.MSE metric.RMSE metric.Loss nd.NDArray""",
    "a class to build upon": """init.Initializer init.InitDesc io.DataIter layers.Layer
        layers.Shapes layers.ShapeError ShapeError metric.EvalMetric sym.Node""",
    "another name": """Activation BatchNorm Concat Convolution Dropout Flatten FullyConnected Group
        Pooling Softmax SoftmaxOutput Variable sym.Softmax sym.Variable sym.concat sym.flatten""",
    "test_symbol.py": "sym.Group",
    "test_graph_json.py": "sym.load sym.load_json",
    "test_module.py": "cpu gpu Context",
    "test_feedforward.py": "FeedForward fit predict",
    "test_visualization.py": "viz.parameter_count viz.png viz.show",
    "test_bad_arrays.py": "mon.root_mean_square",
}


def test_no_public_function_is_forgotten():
    known = {name for names in ELSEWHERE.values() for name in names.split()}
    assert sorted(set(public_functions()) - set(TABLE)) == sorted(known)
