"""Use the synaptic penalty in your own training loop: what it saves, and that it counts exactly."""

from __future__ import annotations

import torch
from torch import nn

import edgespike
from edgespike.counting import Convention
from edgespike.models import shipped_images
from edgespike.nn import ConvSpec, DenseSpec, NetSpec, SpikePenalty, build

EPOCHS = 20
SPEC = NetSpec(
    input_shape=(1, 28, 28),
    classes=10,
    layers=(ConvSpec(8, pool=2, bits=6), ConvSpec(16, pool=2), DenseSpec(32)),
)
torch.set_num_threads(1)
pixels, classes = shipped_images()
images, labels = torch.from_numpy(pixels), torch.from_numpy(classes)


def trained(strength: float) -> nn.Sequential:
    """Train with a penalty that rises linearly to ``strength`` a synaptic operation."""
    torch.manual_seed(0)
    net = build(SPEC)
    optimiser = torch.optim.Adam(net.parameters(), lr=5e-3)
    with SpikePenalty(net, images[:1]) as penalty:
        for epoch in range(EPOCHS):
            for batch in torch.split(torch.randperm(len(images)), 50):
                loss = nn.functional.cross_entropy(net(images[batch]), labels[batch])
                loss = loss + strength * (epoch + 1) / EPOCHS * penalty()
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                optimiser.step()
    return net.eval()


for strength in (0.0, 1e-5):
    # In double precision no membrane potential is rounded across its threshold.
    net = trained(strength).double()
    with SpikePenalty(net, images[:1].double()) as penalty, torch.inference_mode():
        accuracy = (net(images.double()).argmax(dim=1) == labels).double().mean()
        operations = penalty() * len(images)
    counts = edgespike.count(edgespike.convert(net, input_shape=SPEC.input_shape), pixels)
    print(f"penalty {strength}: accuracy on the training images {accuracy:.1%}")
    print(f"  synaptic operations, by the penalty       {operations:12,.0f}")
    print(
        f"  synaptic operations, on the integer graph "
        f"{counts.synaptic_operations(Convention.EVERY):12,}"
    )
