"""What the package of a simulator offers besides its converter: reading and running a module."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgespike.converters.base import ConvertOptions
    from edgespike.converters.spiking.simulator import Simulator
    from edgespike.floats.net import FloatNet


@dataclass(frozen=True)
class Framework:
    """Reads and runs torch modules with a simulator's neurons.

    Parameters
    ----------
    simulator
        Returns how its neurons are read; called only when a module is read.
    """

    simulator: Callable[[], Simulator]

    def float_net(self, module: Any, options: ConvertOptions) -> FloatNet:
        """Return a torch module with the simulator's neurons as a net in real numbers.

        Raises
        ------
        UnsupportedError
            Lists all that cannot be converted, by path.
        """
        from edgespike.converters.spiking import reading

        return reading.read(module, options, self.simulator()).net

    def activity(
        self, module: Any, options: ConvertOptions, samples: NDArray[Any]
    ) -> dict[str, NDArray[np.float64]]:
        """Run the module itself, and return the spikes of each layer of neurons.

        See :func:`edgespike.converters.spiking.activity.activity`.
        """
        from edgespike.converters.spiking.activity import activity

        return activity(module, options, self.simulator(), samples)
