"""The processors on which a bundle's check runs under QEMU: options, boards, memory."""

from __future__ import annotations

from dataclasses import dataclass

_ARM = "qemu-system-arm"
_ARM_OUTPUT = "-serial none -chardev stdio,id=out -semihosting-config enable=on,chardev=out"


@dataclass(frozen=True)
class Core:
    """A processor and the emulated board that it is on.

    Parameters
    ----------
    name
        What follows ``run-`` on the command line.
    processor
        What it is called.
    tools
        What the compiler's programs begin with.
    options
        The compiler's.
    board
        The board in QEMU, and what of it is changed.
    emulator
        The command of QEMU that emulates it.
    start
        The file, without ``.c``, that starts it.
    vectors, flash, ram
        Where they begin.
    flash_size, ram_size
        Their sizes, for a linker.
    """

    name: str
    processor: str
    tools: str
    options: str
    board: str
    emulator: str
    start: str
    vectors: int
    flash: int
    flash_size: str
    ram: int
    ram_size: str

    @property
    def compiler(self) -> str:
        """The compiler's command."""
        return f"{self.tools}gcc"

    @property
    def command(self) -> str:
        """QEMU's command, which a program's file follows; it counts instructions."""
        return (
            f"{self.emulator} -icount shift=0 -display none -monitor none "
            f"{_ARM_OUTPUT if self.start == 'cortex_m' else '-serial stdio'} -kernel"
        )


def _cortex_m(
    name: str,
    board: str,
    *,
    more: str = "",
    float_abi: str = "soft",
    vectors: int = 0,
    flash: int = 0x400,
    flash_size: str = "4095K",
    ram: int = 0x20000000,
    ram_size: str = "4M",
) -> Core:
    return Core(
        name=name,
        processor=f"Cortex-{name.upper()}",
        tools="arm-none-eabi-",
        options=f"-mcpu=cortex-{name} -mthumb -mfloat-abi={float_abi}",
        board=board,
        emulator=f"{_ARM} -M {board.split()[0]}{more}",
        start="cortex_m",
        vectors=vectors,
        flash=flash,
        flash_size=flash_size,
        ram=ram,
        ram_size=ram_size,
    )


CORES = (
    _cortex_m(
        "m0",
        "microbit with 4 MB of flash and 1 MB of RAM",
        more=" -global nrf51-soc.flash-size=0x400000 -global nrf51-soc.sram-size=0x100000",
        ram_size="1M",
    ),
    _cortex_m("m3", "mps2-an385"),
    _cortex_m("m4", "mps2-an386"),
    _cortex_m("m7", "mps2-an500"),
    _cortex_m(
        "m33",
        "mps2-an505",
        vectors=0x10000000,
        flash=0x10000400,
        ram=0x38000000,
        ram_size="2M",
    ),
    _cortex_m(
        "m55",
        "mps3-an547",
        float_abi="hard",
        vectors=0x10000000,
        flash=0x11000000,
        flash_size="2M",
        ram=0x30000000,
        ram_size="512K",
    ),
    Core(
        name="rv32",
        processor="RISC-V RV32IMAC",
        tools="riscv64-unknown-elf-",
        options="-march=rv32imac -mabi=ilp32",
        board="virt",
        emulator="qemu-system-riscv32 -M virt -cpu rv32 -bios none",
        start="riscv",
        vectors=0x80000000,
        flash=0x80000400,
        flash_size="64M",
        ram=0x84100000,
        ram_size="16M",
    ),
)
"""All of them, the smallest first."""


def core(name: str) -> Core:
    """Return the core with a name."""
    return next(each for each in CORES if each.name == name)
