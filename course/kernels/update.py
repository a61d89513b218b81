"""How weights change in one step: one loop for each optimizer, over flat arrays of one dtype.

The scalars have the arrays' dtype, so that float32 stays float32. In the formulas w is the weight,
η the learning rate, λ the weight decay and g the gradient times `rescale`, clipped to ±clip
(infinity: no clipping). Where weight decay enters differs from rule to rule and follows MXNet 1.9.
"""

import math

from course.kernels.compile import kernel


@kernel
def _clipped(value, clip):
    # NaN fails both comparisons and goes through, so that a diverged training can be noticed.
    return clip if value > clip else (-clip if value < -clip else value)


@kernel
def sgd(weight, grad, learning_rate, weight_decay, rescale, clip):
    """w ← w - η (g + λ w)."""
    for k in range(weight.size):
        g = _clipped(rescale * grad[k], clip) + weight_decay * weight[k]
        weight[k] -= learning_rate * g


@kernel
def sgd_momentum(
    weight, grad, velocity, learning_rate, weight_decay, rescale, clip, momentum
):  # fmt: skip
    """v ← μ v - η (g + λ w),  w ← w + v."""
    for k in range(weight.size):
        g = _clipped(rescale * grad[k], clip) + weight_decay * weight[k]
        velocity[k] = momentum * velocity[k] - learning_rate * g
        weight[k] += velocity[k]


@kernel
def nag(weight, grad, velocity, learning_rate, weight_decay, rescale, clip, momentum):
    """v ← μ v - η (g + λ w),  w ← w + μ v - η (g + λ w): momentum's step, one look ahead."""
    for k in range(weight.size):
        g = _clipped(rescale * grad[k], clip) + weight_decay * weight[k]
        velocity[k] = momentum * velocity[k] - learning_rate * g
        weight[k] += momentum * velocity[k] - learning_rate * g


@kernel
def adam(
    weight, grad, mean, square, learning_rate, weight_decay, rescale, clip,
    beta1, rest1, beta2, rest2, epsilon,
):  # fmt: skip
    """m ← β₁ m + (1 - β₁) g,  s ← β₂ s + (1 - β₂) g²,  w ← w - η m / (√s + ε).

    Here g = clip(rescale · grad + λ w), and η holds the correction for the first steps. `rest1` is
    1 - β₁ and `rest2` 1 - β₂: in float32, 1 - 0.999 would be wrong in the fifth digit.
    """
    for k in range(weight.size):
        g = _clipped(rescale * grad[k] + weight_decay * weight[k], clip)
        mean[k] = beta1 * mean[k] + rest1 * g
        square[k] = beta2 * square[k] + rest2 * g * g
        weight[k] -= learning_rate * mean[k] / (math.sqrt(square[k]) + epsilon)


@kernel
def rmsprop(
    weight, grad, square, learning_rate, weight_decay, rescale, clip, gamma, rest, epsilon
):  # fmt: skip
    """s ← γ s + (1 - γ) g²,  w ← w - η g / √(s + ε), where g = clip(rescale · grad + λ w)."""
    for k in range(weight.size):
        g = _clipped(rescale * grad[k] + weight_decay * weight[k], clip)
        square[k] = gamma * square[k] + rest * g * g
        weight[k] -= learning_rate * g / math.sqrt(square[k] + epsilon)


@kernel
def rmsprop_centered(
    weight, grad, square, mean, velocity, learning_rate, weight_decay, rescale, clip,
    gamma, rest, epsilon, momentum,
):  # fmt: skip
    """As `rmsprop` with the variance s - m² in the place of s, and with momentum.

    m ← γ m + (1 - γ) g,  v ← μ v - η g / √(s - m² + ε),  w ← w + v.
    """
    for k in range(weight.size):
        g = _clipped(rescale * grad[k] + weight_decay * weight[k], clip)
        square[k] = gamma * square[k] + rest * g * g
        mean[k] = gamma * mean[k] + rest * g
        variance = abs(square[k] - mean[k] * mean[k])  # below 0 by rounding only, then tiny
        velocity[k] = momentum * velocity[k] - learning_rate * g / math.sqrt(variance + epsilon)
        weight[k] += velocity[k]


@kernel
def adagrad(weight, grad, history, learning_rate, weight_decay, rescale, clip, epsilon):
    """h ← h + g²,  w ← w - η (g / √(h + ε) + λ w)."""
    for k in range(weight.size):
        g = _clipped(rescale * grad[k], clip)
        history[k] += g * g
        weight[k] -= learning_rate * (
            g / math.sqrt(history[k] + epsilon) + weight_decay * weight[k]
        )


@kernel
def adadelta(
    weight, grad, square, square_step, weight_decay, rescale, clip, rho, rest, epsilon
):  # fmt: skip
    """s ← ρ s + (1 - ρ) g²,  d = g √(u + ε) / √(s + ε),  u ← ρ u + (1 - ρ) d²,  w ← w - d - λ w."""
    for k in range(weight.size):
        g = _clipped(rescale * grad[k], clip)
        square[k] = rho * square[k] + rest * g * g
        step = math.sqrt(square_step[k] + epsilon) / math.sqrt(square[k] + epsilon) * g
        square_step[k] = rho * square_step[k] + rest * step * step
        weight[k] -= step + weight_decay * weight[k]
