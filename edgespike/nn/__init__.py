"""The training side, on torch: spiking neurons, integer weights, the synaptic penalty, training.

Needs the extra ``train``; running, exporting and reporting do not need it. A name is imported when
it is first used, so that loading a checkpoint imports neither the trainer nor the data sets.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from edgespike.errors import EnvironmentMissingError
from edgespike.extras import import_late, install_command

if find_spec("torch") is None:
    raise EnvironmentMissingError(
        f"edgespike.nn needs torch, which is not installed; run {install_command('train')}"
    )

if TYPE_CHECKING:
    from edgespike.nn.deployment import TargetForecast, forecast
    from edgespike.nn.layers.activation import RoundClip, TanhLevels
    from edgespike.nn.layers.count import count_synaptic_operations
    from edgespike.nn.layers.normalise import LayerBatchNorm
    from edgespike.nn.layers.penalty import SpikePenalty, penalty_weight
    from edgespike.nn.layers.quant_gru import QuantGRU
    from edgespike.nn.layers.quant_rnn import QuantRNN
    from edgespike.nn.layers.recurrent import LastStep, Recurrent
    from edgespike.nn.layers.residual import Residual
    from edgespike.nn.layers.spike import SpikeActivation
    from edgespike.nn.layers.weighted import InputScale, QuantConv2d, QuantLinear, SumPool2d
    from edgespike.nn.nets.checkpoint import load_model, save_model
    from edgespike.nn.nets.models import build
    from edgespike.nn.nets.recurrent_spec import RecurrentSpec
    from edgespike.nn.nets.spec import ConvSpec, DenseSpec, NetSpec, ResidualSpec
    from edgespike.nn.training.draft import Draft, load_draft, load_recipe
    from edgespike.nn.training.posterior_spec import PosteriorSpec
    from edgespike.nn.training.recipe import Recipe, shipped_recipes
    from edgespike.nn.training.task import Task, load_task
    from edgespike.nn.training.train import TrainingResult, train

_HOMES = {
    "ConvSpec": "edgespike.nn.nets.spec",
    "DenseSpec": "edgespike.nn.nets.spec",
    "Draft": "edgespike.nn.training.draft",
    "InputScale": "edgespike.nn.layers.weighted",
    "LastStep": "edgespike.nn.layers.recurrent",
    "LayerBatchNorm": "edgespike.nn.layers.normalise",
    "NetSpec": "edgespike.nn.nets.spec",
    "PosteriorSpec": "edgespike.nn.training.posterior_spec",
    "QuantConv2d": "edgespike.nn.layers.weighted",
    "QuantGRU": "edgespike.nn.layers.quant_gru",
    "QuantLinear": "edgespike.nn.layers.weighted",
    "QuantRNN": "edgespike.nn.layers.quant_rnn",
    "Recipe": "edgespike.nn.training.recipe",
    "Recurrent": "edgespike.nn.layers.recurrent",
    "RecurrentSpec": "edgespike.nn.nets.recurrent_spec",
    "Residual": "edgespike.nn.layers.residual",
    "ResidualSpec": "edgespike.nn.nets.spec",
    "RoundClip": "edgespike.nn.layers.activation",
    "SpikeActivation": "edgespike.nn.layers.spike",
    "SpikePenalty": "edgespike.nn.layers.penalty",
    "SumPool2d": "edgespike.nn.layers.weighted",
    "TanhLevels": "edgespike.nn.layers.activation",
    "TargetForecast": "edgespike.nn.deployment",
    "Task": "edgespike.nn.training.task",
    "TrainingResult": "edgespike.nn.training.train",
    "build": "edgespike.nn.nets.models",
    "count_synaptic_operations": "edgespike.nn.layers.count",
    "forecast": "edgespike.nn.deployment",
    "load_draft": "edgespike.nn.training.draft",
    "load_model": "edgespike.nn.nets.checkpoint",
    "load_recipe": "edgespike.nn.training.draft",
    "load_task": "edgespike.nn.training.task",
    "penalty_weight": "edgespike.nn.layers.penalty",
    "save_model": "edgespike.nn.nets.checkpoint",
    "shipped_recipes": "edgespike.nn.training.recipe",
    "train": "edgespike.nn.training.train",
}

__all__ = [
    "ConvSpec",
    "DenseSpec",
    "Draft",
    "InputScale",
    "LastStep",
    "LayerBatchNorm",
    "NetSpec",
    "PosteriorSpec",
    "QuantConv2d",
    "QuantGRU",
    "QuantLinear",
    "QuantRNN",
    "Recipe",
    "Recurrent",
    "RecurrentSpec",
    "Residual",
    "ResidualSpec",
    "RoundClip",
    "SpikeActivation",
    "SpikePenalty",
    "SumPool2d",
    "TanhLevels",
    "TargetForecast",
    "Task",
    "TrainingResult",
    "build",
    "count_synaptic_operations",
    "forecast",
    "load_draft",
    "load_model",
    "load_recipe",
    "load_task",
    "penalty_weight",
    "save_model",
    "shipped_recipes",
    "train",
]


def __getattr__(name: str) -> object:
    return import_late(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return __all__
