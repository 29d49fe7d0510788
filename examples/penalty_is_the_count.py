"""The penalty that trained the shipped net is the number that every target counts.

Five images, four ways to the same number of synaptic operations: the training penalty (p = 1) on
the torch module, the count from what each target ran, and a walk of every event to every synapse.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

import edgespike
from edgespike.counting import Convention, audit
from edgespike.interpreter import interpret
from edgespike.models import shipped_images
from edgespike.nn.layers.penalty import SpikePenalty
from edgespike.nn.nets.checkpoint import load_model

CHECKPOINT = Path(__file__).parent / "checkpoints" / "fashion_s3nn.safetensors"
TARGETS = sys.argv[1:] or ["cpu", "tflite"]  # add loihi and tflite-runtime where they are set up

images = shipped_images()[0][:5]
module, spec, _ = load_model(CHECKPOINT)
graph = edgespike.convert(module, spec.input_shape)

# Double precision has the spikes of the integer graph even where single precision would round a
# membrane potential across its threshold.
module.double()
with SpikePenalty(module, torch.from_numpy(images).double()) as penalty, torch.no_grad():
    module(torch.from_numpy(images).double())
    found = {"training penalty": round(float(penalty()) * len(images))}

for target in TARGETS:
    counts = edgespike.count(graph, images, target)
    found[f"count on {target}"] = counts.synaptic_operations(Convention.EVERY)
walked = audit(graph, images, interpret(graph, images))
found["walk of every event"] = walked.synaptic_operations[Convention.EVERY]

for name, operations in found.items():
    print(f"{name:24} {operations:>12,}")
if len(set(found.values())) > 1:
    sys.exit("the numbers differ")
