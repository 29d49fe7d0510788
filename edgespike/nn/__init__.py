"""The training side, on torch: spiking neurons, integer weights, the synaptic penalty, training.

Needs the extra ``train``; running, exporting and reporting do not need it.
"""

from __future__ import annotations

from importlib.util import find_spec

from edgespike.errors import EnvironmentMissingError
from edgespike.extras import install_command

if find_spec("torch") is None or find_spec("accelerate") is None:
    raise EnvironmentMissingError(
        "edgespike.nn needs torch and accelerate, which are not installed; "
        f"run {install_command('train')}"
    )

from edgespike.nn.layers.activation import RoundClip, TanhLevels
from edgespike.nn.layers.count import count_synaptic_operations
from edgespike.nn.layers.normalise import LayerBatchNorm
from edgespike.nn.layers.penalty import SynapticPenalty
from edgespike.nn.layers.quant_rnn import QuantRNN
from edgespike.nn.layers.recurrent import LastStep, Recurrent
from edgespike.nn.layers.residual import Residual
from edgespike.nn.layers.spike import SpikeActivation
from edgespike.nn.layers.weighted import InputScale, QuantConv2d, QuantLinear, SumPool2d
from edgespike.nn.nets.checkpoint import load_model, save_model
from edgespike.nn.nets.models import build
from edgespike.nn.nets.posterior_spec import PosteriorSpec
from edgespike.nn.nets.recurrent_spec import RecurrentSpec
from edgespike.nn.nets.spec import ConvSpec, DenseSpec, NetSpec, ResidualSpec
from edgespike.nn.training.recipe import Recipe, load_recipe, shipped_recipes
from edgespike.nn.training.task import Task, load_task
from edgespike.nn.training.train import TrainingResult, train

__all__ = [
    "ConvSpec",
    "DenseSpec",
    "InputScale",
    "LastStep",
    "LayerBatchNorm",
    "NetSpec",
    "PosteriorSpec",
    "QuantConv2d",
    "QuantLinear",
    "QuantRNN",
    "Recipe",
    "Recurrent",
    "RecurrentSpec",
    "Residual",
    "ResidualSpec",
    "RoundClip",
    "SpikeActivation",
    "SumPool2d",
    "SynapticPenalty",
    "TanhLevels",
    "Task",
    "TrainingResult",
    "build",
    "count_synaptic_operations",
    "load_model",
    "load_recipe",
    "load_task",
    "save_model",
    "shipped_recipes",
    "train",
]
