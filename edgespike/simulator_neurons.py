"""Which torch modules are spiking neurons of snnTorch or SpikingJelly; neither is imported."""

from __future__ import annotations

SPIKINGJELLY = "spikingjelly.activation_based.neuron"
"""The module that has SpikingJelly's neurons."""


def is_snntorch_neuron(module: object) -> bool:
    """Return whether a module is a neuron layer of snnTorch, or a class made from one."""
    return _has_base(module, "snntorch._neurons") and not is_one_to_one(module)


def is_one_to_one(module: object) -> bool:
    """Return whether a module is the weights of neurons of snnTorch that feed only themselves."""
    return type(module).__qualname__.startswith("RecurrentOneToOne")


def is_spikingjelly_neuron(module: object) -> bool:
    """Return whether a module is a neuron layer of SpikingJelly, or a class made from one."""
    return _has_base(module, SPIKINGJELLY)


def _has_base(module: object, package: str) -> bool:
    return any(f"{base.__module__}.".startswith(f"{package}.") for base in type(module).__mro__)


def is_simulator_neuron(module: object) -> bool:
    """Return whether a module is a neuron layer of snnTorch or SpikingJelly."""
    return is_snntorch_neuron(module) or is_spikingjelly_neuron(module)
