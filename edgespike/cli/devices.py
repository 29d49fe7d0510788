"""``edgespike devices``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgespike.cli.options import CHECK_FAILED, Json, ModelFile, Threads, Wide
from edgespike.cli.output import print_json, print_table, progress

if TYPE_CHECKING:
    from edgespike.devices import Device, Limits, Memory
    from edgespike.energy import Interval
    from edgespike.graph import Graph

EXAMPLE = "edgespike devices graph.safetensors --samples images.npy --board nucleo-l4r5zi"

DRAWN = 8
"""How many random samples run if none are given."""


def _board_names(start: str) -> list[str]:
    """Complete the name of a board."""
    from edgespike.devices import BOARDS

    return [name for name in BOARDS if name.startswith(start)]


def command(
    model: ModelFile,
    samples: Annotated[
        Path | None,
        typer.Option(
            "--samples",
            metavar="X",
            help="Samples whose events are counted, as for --input of other commands. Default: "
            f"{DRAWN} of random numbers, whose events are not those of real ones.",
        ),
    ] = None,
    board: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="A board whose memory is the limit.", autocompletion=_board_names
        ),
    ] = None,
    flash: Annotated[
        str | None, typer.Option(metavar="512KB", help="Most flash; more than --board says.")
    ] = None,
    ram: Annotated[
        str | None, typer.Option(metavar="64KB", help="Most RAM; more than --board says.")
    ] = None,
    measured: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.json",
            help="Instructions of a sample that were counted, by core, instead of the model's: "
            '{"graph": HASH, "instructions": {"cortex-m4": N}}.',
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also say why something is not known, and all reasons.")
    ] = False,
    wide: Wide = False,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """List targets and cores: exact or not, memory, time, energy.

    Instructions are a model's, fitted to an emulator; time and energy are ranges of one board for
    each core. The exit code is 1 if limits are given and no device keeps them.
    """
    import edgespike
    from edgespike.batches import tally_all
    from edgespike.devices import devices, kept_limits
    from edgespike.prepared import prepared
    from edgespike.threads import at_most

    limits = _limits(board, flash, ram)
    graph = edgespike.load(model)
    array, origin = _samples(graph, samples)
    counted = {} if measured is None else _measured(graph, measured)
    with at_most(threads), progress() as report:
        tally = tally_all(prepared(graph, "cpu").runner, array, "cpu", report)
    found = devices(graph, tally, limits, counted)
    limited = (limits.flash, limits.ram) != (None, None)
    kept = kept_limits(found, limits) if limited else None
    if as_json:
        print_json(_json(graph, found, limits, kept, origin, tally.samples))
    else:
        _print(graph, found, limits, kept, origin, tally.samples, everything=everything, wide=wide)
    if kept is False:
        raise typer.Exit(CHECK_FAILED)


def _limits(board: str | None, flash: str | None, ram: str | None) -> Limits:
    from dataclasses import replace

    from edgespike.devices import BOARDS, Limits
    from edgespike.energy.units import parse_bytes
    from edgespike.errors import InputError, shown

    limits = Limits()
    if board is not None:
        if board not in BOARDS:
            raise InputError(
                f"no board is named {shown(board)}; there are: {', '.join(BOARDS)}; or give "
                "--flash and --ram"
            )
        limits = BOARDS[board]
    if flash is not None:
        limits = replace(limits, flash=parse_bytes(flash))
    return limits if ram is None else replace(limits, ram=parse_bytes(ram))


def _samples(graph: Graph, file: Path | None) -> tuple[Any, str]:
    """Return samples, and where they are from."""
    import numpy as np

    from edgespike.samples import read_inputs

    if file is not None:
        return read_inputs(graph, file).samples, str(file)
    op = graph.input_op
    rng = np.random.default_rng(0)
    drawn = rng.integers(op.low, op.high + 1, (DRAWN, graph.steps, *op.shape))
    return drawn, "random numbers; give --samples"


def _measured(graph: Graph, file: Path) -> dict[str, float]:
    """Read instructions of a sample by core."""
    from edgespike.errors import FileFormatError, InputError, shown
    from edgespike.storage.files import opened

    with opened(file) as stream:
        content = stream.read(2**20)
    try:
        answer = json.loads(content)
        counted = answer["instructions"]
        own = answer["graph"]
        found = {str(core): float(count) for core, count in counted.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise FileFormatError(
            f'{file} holds no measurement; it must be JSON of the form {{"graph": HASH, '
            '"instructions": {"cortex-m4": 1000000}}'
        ) from None
    if own != graph.hash:
        raise InputError(f"{file} is of graph {shown(own)}, not of {graph.name!r}, {graph.hash}")
    for core, count in found.items():
        if not 0 < count < 1e18:
            raise InputError(f"{file}: {shown(core)} has {count} instructions; give above 0")
    return found


def _json(
    graph: Graph,
    found: Sequence[Device],
    limits: Limits,
    kept: bool | None,
    origin: str,
    samples: int,
) -> dict[str, Any]:
    from edgespike.targets.c.instructions import compiled_with, core_models, nets_measured

    return {
        "name": graph.name,
        "graph": graph.hash,
        "samples": samples,
        "samples_from": origin,
        "limits": {
            "board": limits.board or None,
            "core": limits.core,
            "flash": limits.flash,
            "ram": limits.ram,
            "source": limits.source or None,
        },
        "limits_kept": kept,
        "devices": [device.to_json(samples) for device in found],
        "instruction_model": {
            "compiled_with": compiled_with(),
            "nets": nets_measured(),
            "errors": {
                core: {"nine_of_ten_within": model.error, "all_within": model.worst}
                for core, model in core_models().items()
            },
        },
    }


def _print(
    graph: Graph,
    found: Sequence[Device],
    limits: Limits,
    kept: bool | None,
    origin: str,
    samples: int,
    *,
    everything: bool,
    wide: bool,
) -> None:
    from edgespike.console import make_console, print_facts, print_lines
    from edgespike.text import number_of, shortened

    console = make_console(wide)
    head = f"{shortened(graph.name, 30)}, {number_of(samples, 'sample')}: {shortened(origin, 30)}"
    print_lines(console, [head])
    print_table(
        ["device", "exact", "flash ", "RAM ", "instr. ", "time ", "energy a sample "],
        [_row(device, samples) for device in found],
    )
    facts = list(_facts(found, limits, kept, everything=everything))
    print_facts(console, facts, most=None if everything else 2)
    if not everything:
        print_lines(console, ["more: --all for all reasons, --json for parts and layers"])


def _row(device: Device, samples: int) -> list[str]:
    exact = {True: "yes", False: "NO", None: "?"}[device.exact]
    alone = device.device == device.target or device.target == "tflite"
    name = device.device if alone else f"{device.target}, {device.device}"
    instructions = "-" if device.instructions is None else _number(device.instructions.typical)
    return [
        name,
        exact,
        _bytes(device.flash, device, "flash"),
        _bytes(device.ram, device, "RAM"),
        instructions,
        _time(device.seconds(samples)),
        _energy(device.energy(samples)),
    ]


def _bytes(memory: Memory | None, device: Device, kind: str) -> str:
    if memory is None:
        return "-"
    mark = "!" if any(line.startswith(kind) for line in device.too_large) else ""
    return (
        f"{mark}{memory.bytes / 1000:,.3g} KB"
        if memory.bytes < 999_500
        else (f"{mark}{memory.bytes / 1e6:.3g} MB")
    )


def _number(value: float) -> str:
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.0f}"


def _time(seconds: Interval | None) -> str:
    if seconds is None:
        return "-"
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds.typical >= size or unit == "us":
            return f"{seconds.typical / size:.3g} {unit}"
    return "-"


def _energy(energy: Interval | None) -> str:
    from edgespike.report.units import joules_range

    return "-" if energy is None else joules_range(energy)


def _how(device: Device) -> str:
    return "" if device.instructions is None else device.instructions.how


def _facts(
    found: Sequence[Device], limits: Limits, kept: bool | None, *, everything: bool
) -> Iterator[tuple[str, str]]:
    from edgespike.text import shortened

    if kept is not None:
        what = limits.board or "the limits"
        yield "limits", f"{what}: {'kept' if kept else 'NOT kept by any device'}"
    seen: set[str] = set()
    for device in sorted(found, key=lambda device: device.target != "c"):
        for line in device.too_large:
            if line not in seen and (everything or len(seen) < 2):
                seen.add(line)
                yield "too large", f"{device.device}: {line}"
    for device in found:
        if device.refusals and device.target not in seen:
            seen.add(device.target)
            first, *others = device.refusals
            if everything:
                yield from (("not exact", f"{device.target}: {line}") for line in device.refusals)
            else:
                more = f" (and {len(others)} more)" if others else ""
                yield "not exact", f"{device.target}: {shortened(first, 110)}{more}"
    known = [device for device in found if device.instructions is not None]
    known.sort(key=lambda device: device.estimate is None)  # a core whose energy is shown first
    model = known[0].instructions if known else None
    if model is not None:
        if everything:
            yield from ((f"{each.device}, instr.", _how(each)) for each in known)
        else:
            yield "instr.", f"of {model.core}: {model.how}"
    boards = {
        device.estimate.profile.name: device.estimate.profile.board
        for device in found
        if device.estimate is not None and device.estimate.profile.board is not None
    }
    clocks = ", ".join(
        f"{name} {board.clock_mhz:g} MHz" for name, board in boards.items() if board is not None
    )
    if clocks:
        yield "time", f"typical, at the clock of the profile's board: {clocks}"
        yield "energy", "instructions x cycles x energy of a cycle; sources: energy --sources"
    for device in found:
        if device.notes:
            most = None if everything else 1
            yield device.device, "; ".join(device.notes[:most])
    if everything:
        for device in found:
            for what, why in device.unknown.items():
                yield f"{device.device}, {what}", why
