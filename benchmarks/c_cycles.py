"""The range of cycles an instruction on a Cortex-M4, from what the shipped nets execute under QEMU.

Instructions of the M4's code are traced, block by block, and sorted into classes. Arm's table
gives each class its cycles without wait states (for example in TI's SWCU192, table 3-25): 1, but 2
for a load or store that is not pipelined, 1 more for each further word of a multiple one, 1 + P
for a taken branch with P from 1 to 3, and 2 to 12 for a division. The lowest figure takes the
least of each. The highest takes the most, and that every load waits for flash: 5 wait states at
120 MHz on an STM32L4R5, each time 16 bytes come. Prints classes and both ends.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from c_graphs import Case, cases
from c_machines import CORES, run_on

from edgespike.targets.c.source import write_c

NETS = ("fashion_s3nn", "fashion_maqd", "fashion_rnn", "lif-conv")
WAIT_STATES = 5
FLASH_WORDS = 4
LEAST_REFILL, MOST_REFILL = 1, 3
LEAST_DIVISION, MOST_DIVISION = 2, 12


@dataclass(frozen=True)
class _Block:
    """A translated block: where it ends, and how many instructions of each class it has."""

    end: int
    classes: Counter[str]


def main() -> None:
    """Trace the nets and print."""
    for case in cases():
        if case.graph.name in NETS:
            found = _trace(case)
            low, high = cycles(found)
            shares = ", ".join(
                f"{name} {number / found['instruction']:.1%}"
                for name, number in sorted(found.items())
                if name != "instruction"
            )
            print(f"{case.graph.name}: {low:.3f} to {high:.3f} cycles an instruction; {shares}")


def cycles(found: Counter[str]) -> tuple[float, float]:
    """Return the least and the most cycles of an instruction."""
    total, taken = found["instruction"], found["branch taken"]
    moved, more = found["load"] + found["store"], found["further word"]
    least: float = total + more + taken * LEAST_REFILL + found["division"] * (LEAST_DIVISION - 1)
    most: float = total + more + taken * MOST_REFILL + found["division"] * (MOST_DIVISION - 1)
    most += moved + (found["load"] + more) / FLASH_WORDS * WAIT_STATES
    return least / total, most / total


def _trace(case: Case) -> Counter[str]:
    written = write_c(case.graph, "network")
    with TemporaryDirectory() as name:
        folder = Path(name)
        run_on(CORES["cortex-m4"], written, case.samples[:1], folder)
        log = folder / "log"
        machine = CORES["cortex-m4"].machine
        subprocess.run(
            [
                *machine,
                *("-icount", "shift=0", "-nographic", "-semihosting"),
                *("-kernel", str(folder / "image.elf")),
                *("-d", "in_asm,exec,nochain", "-D", str(log)),
            ],
            check=True,
            capture_output=True,
        )
        symbols = _functions(folder / "network.o", folder / "image.elf")
        return _count(log, symbols)


def _functions(compiled: Path, image: Path) -> tuple[int, int]:
    """Return where the network's code begins and ends in the image."""
    names = _symbols(compiled)
    placed = _symbols(image)
    own = [placed[name] for name in names if name in placed]
    return min(start for start, _ in own), max(end for _, end in own)


def _symbols(file: Path) -> dict[str, tuple[int, int]]:
    text = subprocess.run(
        ["arm-none-eabi-nm", "-S", str(file)], capture_output=True, text=True, check=True
    ).stdout
    rows = re.findall(r"^([0-9a-f]+) ([0-9a-f]+) [tT] (\w+)$", text, re.MULTILINE)
    return {name: (int(at, 16), int(at, 16) + int(size, 16)) for at, size, name in rows}


def _count(log: Path, own: tuple[int, int]) -> Counter[str]:
    blocks: dict[int, _Block] = {}
    found: Counter[str] = Counter()
    before: _Block | None = None
    lines: list[tuple[int, int, str]] = []
    with log.open(errors="replace") as file:
        for line in file:
            if line.startswith("0x"):
                match = re.match(r"0x([0-9a-f]+):\s+((?:[0-9a-f]{4} ?)+)\s+(\S+)\s*(.*)", line)
                if match:
                    size = len(match[2].replace(" ", "")) // 2
                    lines.append((int(match[1], 16), size, f"{match[3]} {match[4]}"))
            elif line.startswith("Trace"):
                if lines:
                    last = lines[-1]
                    classes = sum((_classes(text) for _, _, text in lines), Counter())
                    blocks[lines[0][0]] = _Block(last[0] + last[1], classes)
                    lines = []
                match = re.search(r"\[[0-9a-f]+/([0-9a-f]+)/", line)
                at = int(match[1], 16) if match else -1
                block = blocks.get(at)
                if before is not None and at != before.end:
                    found["branch taken"] += 1
                before = None
                if block is not None and own[0] <= at < own[1]:
                    found.update(block.classes)
                    before = block
    return found


def _classes(text: str) -> Counter[str]:
    name, _, rest = text.partition(" ")
    found = Counter({"instruction": 1})
    if name.startswith(("ldm", "pop", "stm", "push")):
        kind = "load" if name.startswith(("ldm", "pop")) else "store"
        found[kind] += 1
        found["further word"] += max(0, rest.partition("{")[2].count(","))
    elif name.startswith("ldr"):
        found["load"] += 1
        found["further word"] += name.startswith("ldrd")
    elif name.startswith("str"):
        found["store"] += 1
        found["further word"] += name.startswith("strd")
    elif name.startswith(("sdiv", "udiv")):
        found["division"] += 1
    return found


if __name__ == "__main__":
    main()
