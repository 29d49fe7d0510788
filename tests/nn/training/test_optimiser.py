from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from edgespike.nn import NetSpec, build
from edgespike.nn.training.optimiser import make_optimiser, optimiser_tensors, restore_optimiser
from tests.nn.small import NET, RECIPE, random_images


def channels_last(spec: NetSpec) -> nn.Module:
    torch.manual_seed(0)
    net: nn.Module = build(spec).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return net


def step(net: nn.Module, optimiser: torch.optim.Optimizer) -> None:
    optimiser.zero_grad()
    torch.autograd.backward(net(random_images(8)).square().sum())
    optimiser.step()


def test_the_fused_step_is_that_of_adamw_in_any_memory_layout() -> None:
    recipe = replace(RECIPE, weight_decay=0.1)
    net, other = channels_last(NET), channels_last(NET)
    fused = make_optimiser(net, recipe)
    groups = [{**group, "fused": False} for group in fused.param_groups]
    for group, fewer in zip(groups, (True, False), strict=True):
        group["params"] = [p for p in other.parameters() if (p.ndim > 1) == fewer]
    plain = torch.optim.AdamW(groups)
    for _ in range(4):
        for found, expected in zip(net.parameters(), other.parameters(), strict=True):
            expected.grad = torch.randn_like(expected)
            found.grad = expected.grad.clone()
        fused.step()
        plain.step()
    for found, expected in zip(net.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_restored_moments_have_the_layout_of_their_weights() -> None:
    net = channels_last(NET)
    optimiser = make_optimiser(net, RECIPE)
    step(net, optimiser)
    stored = {name: value.contiguous() for name, value in optimiser_tensors(optimiser).items()}
    restore_optimiser(optimiser, stored)
    for parameter, state in optimiser.state.items():
        assert state["exp_avg"].stride() == parameter.stride()
    assert all(torch.equal(stored[k], v) for k, v in optimiser_tensors(optimiser).items())
    assert any(p.ndim == 4 and not p.is_contiguous() for p in net.parameters())
