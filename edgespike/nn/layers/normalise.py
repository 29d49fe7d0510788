"""Layer-batch normalisation: one mean and one variance for a whole layer."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgespike.errors import InputError
from edgespike.graph.tensor import CHANNEL_LIMIT
from edgespike.nn.layers.quantise import is_whole

Reading = Literal["joint", "averaged", "per_sample"]


class LayerBatchNorm(nn.Module):
    """Normalise with one mean and variance a layer, then scale and shift each channel.

    At inference it uses the layer's running mean and variance, two numbers that fold into the
    thresholds of the following activation: it costs nothing (MaQD, arXiv 2403.14999).

    The paper does not state the axes over which it takes statistics; three readings fit its text.
    In training,

    * "joint" takes mean and variance over samples, channels and positions together;
    * "averaged" takes them for each sample, over channels and positions, and averages both over
      the batch;
    * "per_sample" normalises each sample with its own statistics: nothing depends on the batch
      size, at the price of a difference between training and inference.

    "averaged" is the default. On Fashion-MNIST with mini-batches of 2 to 128 all three came within
    0.6 points of each other, and none lost accuracy at 2 (``experiments/maqd``). It was chosen
    for its properties: training and inference do not differ, and no sample outweighs the others'
    statistics.

    Parameters
    ----------
    channels
        Size of axis 1, at least 1.
    reading
        See above.
    epsilon
        Added to the variance; positive, so that a running variance of 0 is well defined.
    momentum
        Weight of a batch in the running statistics; None for the average over all batches.

    Raises
    ------
    ValueError
        The reading is unknown, or epsilon is not positive.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(
        self,
        channels: int,
        reading: Reading = "averaged",
        epsilon: float = 1e-5,
        momentum: float | None = 0.1,
    ) -> None:
        super().__init__()
        if reading not in get_args(Reading):
            raise ValueError(f"reading is {reading!r}; known are {', '.join(get_args(Reading))}")
        if not is_whole(channels, 1, CHANNEL_LIMIT):
            raise ValueError(f"channels is {channels!r}; 1 to {CHANNEL_LIMIT} are possible")
        if not epsilon > 0:
            raise ValueError(f"epsilon is {epsilon}; it must be positive")
        self.channels, self.epsilon, self.momentum = channels, epsilon, momentum
        self.reading: Reading = reading
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(()))
        self.register_buffer("running_var", torch.ones(()))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def reset_running_stats(self) -> None:
        """Forget the running statistics."""
        self.running_mean.zero_()
        self.running_var.fill_(1)
        self.num_batches_tracked.zero_()

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``x`` (samples, channels, ...).

        Raises
        ------
        InputError
            ``x`` has another number of channels or, in training, no values to take statistics of.
        """
        self._check(x)
        if not self.training:
            mean, variance = _each(self.running_mean, x), _each(self.running_var, x)
            return functional.batch_norm(
                x, mean, variance, self.weight, self.bias, eps=self.epsilon
            )
        with torch.no_grad():
            mean, variance = _statistics(x, by_sample=self.reading != "joint")
            self._track(mean.mean(), variance.mean())
        if self.reading == "per_sample":
            # Group normalisation with one group is this reading.
            return functional.group_norm(x, 1, self.weight, self.bias, self.epsilon)
        result: Tensor = _WithSharedStatistics.apply(  # type: ignore[no-untyped-call]
            x, mean, variance.mean(), self.weight, self.bias, self.epsilon
        )
        return result

    def _check(self, x: Tensor) -> None:
        # Checked before the running statistics change.
        if x.ndim < 2 or x.shape[1] != self.channels or (self.training and not x.numel()):
            raise InputError(
                f"layer-batch normalisation received shape {tuple(x.shape)}; it needs "
                f"(samples, {self.channels}, ...), in training with at least 1 value"
            )

    def _track(self, mean: Tensor, variance: Tensor) -> None:
        self.num_batches_tracked += 1
        share = self.momentum
        if share is None:
            share = 1 / int(self.num_batches_tracked)
        self.running_mean.lerp_(mean.to(self.running_mean), share)
        self.running_var.lerp_(variance.to(self.running_var), share)

    def extra_repr(self) -> str:
        """Return the parameters shown in the module's ``repr``."""
        return f"{self.channels}, reading={self.reading}"


def _statistics(x: Tensor, *, by_sample: bool) -> tuple[Tensor, Tensor]:
    """Return mean and variance of each sample, or of all together."""
    axes = tuple(range(int(by_sample), x.ndim))
    mean = x.mean(axes)
    # Ten times as fast as torch.var_mean, which visits the values one by one. In float32 the
    # difference loses as many digits as the squared mean exceeds the variance by: 3 of 7 if the
    # mean is 30 standard deviations. Sums of standardised weights stay far below that.
    square = torch.linalg.vector_norm(x, dim=axes).square() * (mean.numel() / x.numel())
    return mean, (square - mean.square()).clamp(min=0)


def _each(value: Tensor, x: Tensor) -> Tensor:
    """Repeat one number for each channel of ``x``."""
    return value.detach().to(x.dtype).expand(x.shape[1]).contiguous()


class _WithSharedStatistics(torch.autograd.Function):
    """Normalise with statistics of ``x``: one call of batch normalisation's kernel in each pass.

    ``mean`` is that of the layer, or that of each sample. In the second case their average is
    subtracted, and ``variance`` is the average of the variances around them.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        mean: Tensor,
        variance: Tensor,
        weight: Tensor,
        bias: Tensor,
        epsilon: float,
    ) -> Tensor:
        statistics = _each(mean.mean(), x), _each(variance, x)
        ctx.save_for_backward(x, mean, weight, *statistics)
        ctx.epsilon = epsilon
        return functional.batch_norm(x, *statistics, weight, bias, eps=epsilon)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, mean, weight, *statistics = ctx.saved_tensors
        # As if the statistics were constant; their share depends on the same two sums.
        fixed, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradients[0], x, weight, *statistics, None, None, False, ctx.epsilon, [True] * 3
        )
        factor = torch.rsqrt(statistics[1][0] + ctx.epsilon)
        of_mean = -factor * (weight * of_bias).sum() / x.numel()
        of_square = -(factor**2) * (weight * of_weight).sum() / x.numel()
        offset = of_mean - of_square * mean.reshape(-1, *[1] * (x.ndim - 1))
        return fixed.addcmul_(x, of_square).add_(offset), None, None, of_weight, of_bias, None
