"""The single-step spiking neuron of S3NN (arXiv 2201.10879)."""

from __future__ import annotations

from edgespike.nn.layers.activation import LevelActivation
from edgespike.nn.layers.surrogates import Bump, SumOfBumps


class SpikeActivation(LevelActivation):
    """Fire where the membrane potential reaches the threshold: ``s = 1 if u >= threshold else 0``.

    It is the staircase with two states. The gradient is that of a surrogate.

    Parameters
    ----------
    threshold
        Lowest membrane potential at which a neuron fires.
    alpha, beta, bump
        Of the surrogate, see `edgespike.nn.layers.surrogates.SumOfBumps`; the default is S3NN's.
    """

    def __init__(
        self,
        threshold: float = 1.0,
        alpha: float = 4.0,
        beta: float = 1.0,
        bump: Bump = "asymmetric",
    ) -> None:
        super().__init__(2, threshold, 1.0, 1.0, SumOfBumps(alpha, beta, bump))

    def extra_repr(self) -> str:
        """Return the parameters shown in the module's ``repr``."""
        return f"threshold={self.first}, surrogate={self.surrogate}"
