"""A copy of a network to look into: what each layer puts out, without disturbing the training."""

import numpy as np

from course.kernels.threads import computing
from course.module import Module

_BATCH_SIZE = 100


class Inspector:
    """Computes with a copy of a module's parameters, which may be changed at will.

    `layers` are the names of the layers; `weights` the copied parameters by name. The module
    itself may go on training meanwhile; `refresh` takes its parameters anew.
    """

    def __init__(self, module: Module):
        module.get_params()  # raises if there are none yet
        self.module = module
        self.symbol = module.symbol
        self.layers = [node.name for node in self.symbol.nodes() if node.op is not None]
        self.image_shape = tuple(module.data_shapes[0].shape[1:])
        # The network up to each layer, made on first need; the whole is the last of them.
        self._parts: dict[str, Module] = {}
        self.refresh()

    def refresh(self) -> None:
        """Take over the module's present parameters; changes made here are lost."""
        # The module may be training in another thread: not in the middle of an update.
        with computing:
            self._weights, self._states = self.module.get_params()
        self._hand_out()

    def get_weights(self) -> dict[str, np.ndarray]:
        """Copies of the parameters in use, by name."""
        return {name: value.copy() for name, value in self._weights.items()}

    def set_weights(self, weights: dict[str, np.ndarray]) -> None:
        """Use these parameters, by name, until `refresh`; those left out stay."""
        self._weights = {**self._weights, **weights}
        self._hand_out()

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """The network's output for images (N, C, H, W): (N, classes)."""
        return self.output(self.symbol.outputs[0].name, images)

    def output(self, layer: str, images: np.ndarray) -> np.ndarray:
        """What a layer puts out for images (N, C, H, W). Raises ValueError for an unknown layer."""
        if layer not in self.layers:
            raise ValueError(f"there is no layer {layer!r}; there are {', '.join(self.layers)}")
        if layer not in self._parts:
            self._parts[layer] = self._bound(self.symbol.get_internals()[f"{layer}_output"])
            self._hand_out()
        with computing:
            return np.asarray(self._parts[layer].predict(self._checked(images)))

    def _bound(self, symbol):
        module = Module(symbol, self.module.data_names, self.module.label_names)
        shape = (_BATCH_SIZE, *self.image_shape)
        module.bind([(self.module.data_names[0], shape)], for_training=False)
        return module

    def _hand_out(self):
        for part in self._parts.values():
            part.set_params(self._weights, self._states, allow_extra=True)

    def _checked(self, images):
        images = np.asarray(images, dtype=np.float32)
        if images.size == np.prod(self.image_shape) * len(images):
            return images.reshape(len(images), *self.image_shape)
        return images


def as_inspectors(modules) -> dict[str, Inspector]:
    """An Inspector for each module of a dict, or for one module alone."""
    named = modules if isinstance(modules, dict) else {"network": modules}
    if not named:
        raise ValueError("expected at least one module")
    return {name: Inspector(module) for name, module in named.items()}
