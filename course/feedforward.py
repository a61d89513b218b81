"""The tutorial's second recipe, as its Julia version has it, in terms of `Module`.

>>> import course as mx
>>> mlp = mx.chain(
...     mx.Variable("data"),
...     mx.FullyConnected(name="fc1", num_hidden=128), mx.Activation(name="relu1", act_type="relu"),
...     mx.FullyConnected(name="fc2", num_hidden=10), mx.SoftmaxOutput(name="softmax"))
>>> model = mx.FeedForward(mlp, context=mx.cpu())
"""

from course import optimizer as optimizers
from course.arguments import flag, number
from course.graph import Symbol
from course.io import NDArrayIter
from course.module import Module
from course.test_utils import get_mnist


def chain(first: Symbol, *steps: Symbol) -> Symbol:
    """Put layers one behind the other: each of `steps` was made without data, and gets it here."""
    for step in (first, *steps):
        if not isinstance(step, Symbol) or step.name is None:
            raise TypeError(f"chain takes symbols, each of one layer, got {step!r:.200}")
    for step in steps:
        open_input = f"{step.name}_data"
        if open_input not in step.list_arguments():
            raise ValueError(f"{step.name} has its data already; leave data out in a chain")
        first = step(**{open_input: first})
    return first


def get_mnist_providers(batch_size: int, flat: bool = True, source: str = "auto"):
    """(training iterator, shuffled, and evaluation iterator) of MNIST.

    Images are rows of 784 numbers, or with `flat=False` of shape (1, 28, 28). `source` as in
    `get_mnist`.
    """
    mnist = get_mnist(source)
    shape = (-1, 784) if flag(flat, "flat") else (-1, 1, 28, 28)
    train = mnist["train_data"].reshape(shape), mnist["train_label"]
    test = mnist["test_data"].reshape(shape), mnist["test_label"]
    return NDArrayIter(*train, batch_size, shuffle=True), NDArrayIter(*test, batch_size)


class FeedForward:
    """A network to be trained by `fit`; `module` is the Module behind it."""

    def __init__(self, symbol: Symbol, context=None):
        self.module = Module(symbol, context=context)


def SGD(lr=0.01, momentum=0.0, weight_decay=0.0001, grad_clip=0, lr_scheduler=None):
    """Settings of stochastic gradient descent, for `fit`.

    As in Julia's MXNet, and unlike `mx.optimizer.SGD`, weight decay applies to all parameters,
    biases included, and is 0.0001 unless given. `grad_clip=0`: no clipping.
    """
    return optimizers.SGD(
        learning_rate=lr,
        momentum=momentum,
        wd=weight_decay,
        clip_gradient=number(grad_clip, "grad_clip", low=0) or None,
        lr_scheduler=lr_scheduler,
        decay_all=True,
    )


def fit(
    model: FeedForward,
    optimizer,
    data,
    n_epoch=10,
    eval_data=None,
    eval_metric=None,
    initializer=None,
    callbacks=(),
) -> None:
    """Train the model for `n_epoch` epochs; gradients are averaged over the batch.

    `callbacks` are called after each batch, as `batch_end_callback` of `Module.fit`.
    """
    optimizer.rescale_grad = 1 / data.batch_size
    model.module.fit(
        data,
        eval_data=eval_data,
        eval_metric=eval_metric or "acc",
        optimizer=optimizer,
        initializer=initializer,
        batch_end_callback=list(callbacks),
        num_epoch=n_epoch,
    )


def predict(model: FeedForward, data):
    """The probabilities for all of `data`: (N, classes)."""
    return model.module.predict(data)
