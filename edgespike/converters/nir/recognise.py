"""Which simulator probably wrote a file, from its names and numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from edgespike.converters.nir.net import NirNet
from edgespike.converters.nir.producers import HINT, PLAIN, PRODUCERS, Producer
from edgespike.converters.nir.schema import NEURONS, NirNode
from edgespike.floats.net import Reals


@dataclass(frozen=True)
class Recognised:
    """Who probably wrote a file.

    Parameters
    ----------
    producer
        The simulator.
    why
        What in the file shows it.
    dt
        The step that the file's numbers hold; ``None`` if they hold none.
    """

    producer: Producer
    why: str
    dt: float | None = None


def recognise(net: NirNet) -> Recognised | None:
    """Return which simulator probably wrote a file; ``None`` if none fits."""
    if told := _told(net):
        return told
    neurons = [node for node in net.nodes.values() if node.kind in NEURONS]
    if not neurons:
        return None
    for name, rule in _RULES:
        if found := rule(net, neurons):
            why, dt = found
            return Recognised(PRODUCERS[name], why, dt)
    return None


def _told(net: NirNet) -> Recognised | None:
    """Return whom edgespike wrote a file for."""
    hint = net.metadata.get(HINT)
    words = hint.tolist() if isinstance(hint, np.ndarray) and hint.dtype == object else None
    if not isinstance(words, list) or len(words) != 2:
        return None
    producer = {**PRODUCERS, PLAIN.name: PLAIN}.get(words[0])
    if producer is None or not re.fullmatch(r"[0-9.e+-]{1,30}", str(words[1])):
        return None
    try:
        dt = float(words[1])
    except ValueError:
        return None
    if not 0 < dt < np.inf:
        return None
    return Recognised(producer, "its metadata say that it was written for it", dt)


_Found = tuple[str, float | None]


def _rockpool_names(net: NirNet, neurons: Sequence[NirNode]) -> _Found | None:
    inner = [path for path, node in net.nodes.items() if node.kind not in ("Input", "Output")]
    if not all(re.fullmatch(r"\d+_[A-Za-z]+Torch", path) for path in inner):
        return None
    found = _rockpool(net, neurons, digits=6)
    return "nodes are named 0_LinearTorch", None if found is None else found[1]


def _rockpool(net: NirNet, neurons: Sequence[NirNode], digits: int = 2) -> _Found | None:
    """Solve r = tau exp(-dt/tau)/dt; one dt of few digits must fit all neurons."""
    steps = set()
    for node in neurons:
        tau, r = node.arrays.get("tau_mem", node.arrays.get("tau")), node.arrays["r"]
        if tau is None or not (tau > 0).all() or not (r > 0).all() or (r == 1).all():
            return None
        solved = _solved(float(tau.flat[0]), float(r.flat[0]))
        if not 0 < solved < np.inf:
            return None
        dt = float(f"{solved:.{digits}g}")
        # 1e-5 is above the rounding of float32; dt below tau/1000 would look like Euler's r.
        if abs(dt / solved - 1) > 1e-5 or dt < tau.max() * 1e-3:
            return None
        steps.add(dt)
    if len(steps) != 1:
        return None
    (dt,) = steps
    return f"r is tau exp(-dt/tau)/dt with dt = {dt:g}", dt


def _solved(tau: float, r: float) -> float:
    """Return the dt for which r is tau exp(-dt/tau)/dt, which falls as dt grows."""
    low, high = tau * 1e-9, tau * 50
    for _ in range(100):
        middle = (low * high) ** 0.5
        if tau * np.exp(-middle / tau) / middle > r:
            low = middle
        else:
            high = middle
    return float((low * high) ** 0.5)


def _spikingjelly(net: NirNet, neurons: Sequence[NirNode]) -> _Found | None:
    inputs = [node.path for node in net.nodes.values() if node.kind == "Input"]
    others = [p for p, node in net.nodes.items() if node.kind not in ("Input", "Output")]
    if inputs != ["input_1"] or not all(path.startswith("_") for path in others):
        return None
    dt = None
    for node in neurons:
        r = node.arrays["r"].flat[0] if "r" in node.arrays else 1.0
        if r <= 0:
            return None
        if node.kind == "IF":
            dt = 1 / r
        elif node.kind in ("LIF", "CubaLIF") and r != 1:
            tau = node.arrays.get("tau_mem", node.arrays.get("tau"))
            dt = None if tau is None else tau.flat[0] / r
    return "nodes are named input_1 and _0", None if dt is None else _rounded(dt)


def _rounded(dt: float) -> float:
    """Return the step without the rounding of a division, to nine digits."""
    return float(f"{dt:.9g}")


def _snntorch(net: NirNet, neurons: Sequence[NirNode]) -> _Found | None:
    dt = PRODUCERS["snntorch"].dt
    for node in neurons:
        if node.kind not in ("LIF", "CubaLIF") or not _gain_is_one(node, "r", dt):
            return None
        if node.kind == "CubaLIF" and not _gain_is_one(node, "w_in", dt):
            return None
    return f"r dt/tau is 1 with dt = {dt:g}", dt


def _gain_is_one(node: NirNode, factor: str, dt: float) -> bool:
    tau = {"r": ("tau", "tau_mem"), "w_in": ("tau_syn",)}[factor]
    taus = [node.arrays[name] for name in tau if name in node.arrays]
    values = node.arrays.get(factor)
    if not taus or values is None or values.size != taus[0].size:
        return False
    with np.errstate(all="ignore"):
        gain = values.ravel() * dt / taus[0].ravel()
    # beta = 1 is written as tau = r = inf
    return bool(np.isclose(gain, 1, rtol=1e-5, atol=0)[np.isfinite(taus[0].ravel())].all())


def _lava(net: NirNet, neurons: Sequence[NirNode]) -> _Found | None:
    for node in neurons:
        tau_syn, w_in = node.arrays.get("tau_syn"), node.arrays.get("w_in")
        tau = node.arrays.get("tau_mem")
        if node.kind != "CubaLIF" or tau is None or tau_syn is None or w_in is None:
            return None
        if not (_are(node.arrays.get("r"), 1) and tau_syn.shape == w_in.shape):
            return None
        with np.errstate(all="ignore"):
            inverse = 1 / np.concatenate([tau.ravel(), tau_syn.ravel()])
        whole = np.isclose(inverse, np.round(inverse), rtol=1e-5) & (inverse >= 1)
        if not (np.allclose(tau_syn, w_in, rtol=1e-5, atol=0) and whole.all()):
            return None
    return "CubaLIF with r = 1, w_in = tau_syn and tau of one over a whole number", 1 / 4096


def _sinabs(net: NirNet, neurons: Sequence[NirNode]) -> _Found | None:
    if not _plain(net, neurons, ("IF", "LIF", "LI")):
        return None
    if any(node.kind == "IF" and node.arrays["v_threshold"].ndim == 0 for node in neurons):
        return None  # sinabs writes one for each neuron
    taus = [node.arrays["tau"] for node in neurons if "tau" in node.arrays]
    if any((tau < 1).any() for tau in taus):
        return None
    return "r is 1, there is no Linear, and tau is in steps or missing", 1.0


def _norse(net: NirNet, neurons: Sequence[NirNode]) -> _Found | None:
    if not _plain(net, neurons, ("IF", "LIF", "LI", "CubaLIF")):
        return None
    return "r is 1, there is no Linear, and tau, if any, is below 1", None


def _plain(net: NirNet, neurons: Sequence[NirNode], kinds: tuple[str, ...]) -> bool:
    """Return whether neurons have no gain of their own, and every dense layer a bias."""
    dense = {node.kind for node in net.nodes.values()} & {"Affine", "Linear", "Conv2d", "Conv1d"}
    if "Linear" in dense or not dense:
        return False
    return all(
        node.kind in kinds and _are(node.arrays.get("r"), 1) and _are(node.arrays.get("v_leak"), 0)
        for node in neurons
    )


def _are(values: Reals | None, number: float) -> bool:
    return values is None or bool((values == number).all())


_RULES: tuple[tuple[str, Callable[[NirNet, Sequence[NirNode]], _Found | None]], ...] = (
    ("rockpool", _rockpool_names),
    ("spikingjelly", _spikingjelly),
    ("snntorch", _snntorch),
    ("rockpool", _rockpool),
    ("lava-dl", _lava),
    ("sinabs", _sinabs),
    ("norse", _norse),
)
