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

from edgespike.nn.activation import RoundClip, TanhLevels
from edgespike.nn.checkpoint import load_model, save_model
from edgespike.nn.count import count_synaptic_operations
from edgespike.nn.layers import InputScale, QuantConv2d, QuantLinear, SumPool2d
from edgespike.nn.models import build
from edgespike.nn.normalise import LayerBatchNorm
from edgespike.nn.penalty import SynapticPenalty
from edgespike.nn.posterior_spec import PosteriorSpec
from edgespike.nn.quant_rnn import QuantRNN
from edgespike.nn.recipe import Recipe, load_recipe, shipped_recipes
from edgespike.nn.recurrent import LastStep, Recurrent
from edgespike.nn.recurrent_spec import RecurrentSpec
from edgespike.nn.residual import Residual
from edgespike.nn.spec import ConvSpec, DenseSpec, NetSpec, ResidualSpec
from edgespike.nn.spike import SpikeActivation
from edgespike.nn.task import Task, load_task
from edgespike.nn.train import TrainingResult, train

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
