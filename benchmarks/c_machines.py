"""Networks of the c target on emulated microcontrollers: instructions of each function, and stack.

Instructions are exact and repeat, ``-icount shift=0``; they are not cycles. Between the calls of a
step's functions a clock is read, whose tick is 1 instruction on RISC-V and about 40 on Arm, so that
counts are exact on average. Needs qemu-system-arm, qemu-system-riscv32 (Debian: qemu-system-misc),
gcc-arm-none-eabi and gcc-riscv64-unknown-elf.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgespike.targets.c.source import Written
from edgespike.targets.c.values import BYTES


@dataclass(frozen=True)
class Core:
    """A core, how code is compiled for it, and the machine that runs that code."""

    compiler: str
    flags: tuple[str, ...]
    machine: tuple[str, ...]
    code: int
    vectors: int


_AN386 = ("qemu-system-arm", "-M", "mps2-an386")
_AN547 = ("qemu-system-arm", "-M", "mps3-an547")
_GCC = "arm-none-eabi-gcc"

CORES = {
    # Code for smaller cores runs on larger ones, with as many instructions.
    "cortex-m0": Core(_GCC, ("-mcpu=cortex-m0", "-mthumb"), _AN386, 0x1000, 0),
    "cortex-m3": Core(_GCC, ("-mcpu=cortex-m3", "-mthumb"), _AN386, 0x1000, 0),
    "cortex-m4": Core(_GCC, ("-mcpu=cortex-m4", "-mthumb"), _AN386, 0x1000, 0),
    "cortex-m7": Core(_GCC, ("-mcpu=cortex-m7", "-mthumb"), _AN386, 0x1000, 0),
    "cortex-m33": Core(_GCC, ("-mcpu=cortex-m33", "-mthumb"), _AN547, 0x1000000, 0),
    "cortex-m55": Core(
        _GCC, ("-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=hard"), _AN547, 0x1000000, 0
    ),
    "rv32imc": Core(
        "riscv64-unknown-elf-gcc",
        ("-march=rv32imc", "-mabi=ilp32", "-mcmodel=medany"),
        ("qemu-system-riscv32", "-M", "virt", "-bios", "none", "-m", "64M"),
        0x80000000,
        -1,
    ),
}

_OPTIONS = ("-O2", "-std=gnu11", "-ffreestanding", "-nostdlib", "-w")

_LINK = """\
ENTRY(reset)
SECTIONS
{{
  .vectors {vectors:#x} : {{ KEEP(*(.vectors)) }}
  .text {code:#x} : {{ *(.first) *(.text*) *(.rodata*) *(.srodata*) . = ALIGN(8); }}
  .data {ram:#x} : {{ *(.data*) *(.sdata*) . = ALIGN(8); _sbss = .; *(.bss*) *(.sbss*) *(COMMON)
                      . = ALIGN(8); _ebss = .; }}
  _stack_low = {ram:#x} + {size:#x} - 0x4000;
  _stack = {ram:#x} + {size:#x};
}}
"""

_ARM = """\
extern uint32_t _sbss, _ebss, _stack;
int main(void);
void reset(void)
{
    for (uint32_t *d = &_sbss; d < &_ebss; d++) *d = 0;
    *(volatile uint32_t *)0xE000ED88 |= 0xF << 20;
    main();
    for (;;);
}
void fault(void) { for (;;); }
__attribute__((section(".vectors"), used))
void *vectors[16] = {&_stack, (void *)reset, (void *)fault, (void *)fault};
static int host(int op, const void *a)
{
    register int r0 __asm__("r0") = op;
    register const void *r1 __asm__("r1") = a;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}
static void text(const char *t) { host(4, t); }
static void end(void) { host(0x18, (void *)0x20026); for (;;); }
#define TIMER ((volatile uint32_t *)0xE000E010)
static void begin(void) { TIMER[1] = 0xFFFFFF; TIMER[2] = 0; TIMER[0] = 5; }
static inline uint32_t ticks(void) { return TIMER[2]; }
static inline uint32_t elapsed(uint32_t before, uint32_t now) { return (before - now) & 0xFFFFFF; }
static void million(void)
{
    __asm__ volatile("mov r3, %0\\n1: sub r3, r3, #1\\n cmp r3, #0\\n bne 1b" ::"r"(333333)
                     : "r3", "cc");
}
"""

_RISCV = """\
__asm__(".section .first\\n.globl reset\\nreset:\\n la sp, _stack\\n call begun\\n");
extern uint32_t _sbss, _ebss;
int main(void);
void begun(void)
{
    for (uint32_t *d = &_sbss; d < &_ebss; d++) *d = 0;
    main();
    for (;;);
}
static void text(const char *t) { while (*t) *(volatile uint8_t *)0x10000000 = *t++; }
static void end(void) { *(volatile uint32_t *)0x100000 = 0x5555; for (;;); }
static void begin(void) { }
static inline uint32_t ticks(void)
{
    uint32_t now;
    __asm__ volatile(".insn i 0x73, 2, %0, x0, -1278" : "=r"(now) :: "memory");
    return now;
}
static inline uint32_t elapsed(uint32_t before, uint32_t now) { return now - before; }
static void million(void)
{
    __asm__ volatile("mv t0, %0\\n1: addi t0, t0, -1\\n addi t1, t1, 0\\n bnez t0, 1b" ::"r"(333333)
                     : "t0", "t1");
}
"""

_STRING = """\
#include <stddef.h>
void *memcpy(void *, const void *, size_t);
void *memset(void *, int, size_t);
"""

_MAIN = """\
void *memcpy(void *d, const void *s, size_t n)
{
    char *a = d;
    const char *b = s;
    while (n--) *a++ = *b++;
    return d;
}
void *memset(void *d, int c, size_t n)
{
    char *a = d;
    while (n--) *a++ = (char)c;
    return d;
}
static void put(uint32_t v)
{
    char b[12];
    int i = 11;
    b[i] = 0;
    do b[--i] = '0' + v % 10; while (v /= 10);
    text(b + i);
    text(" ");
}
static NET net;
uint32_t counted[MARKS + 1], before;
__attribute__((noinline)) void mark(int k)
{
    const uint32_t now = ticks();
    counted[k] += elapsed(before, now);
    before = ticks();
}
__attribute__((noinline)) static void sample(const INPUT *x) { RUN(&net, x); }
int main(void)
{
    begin();
    uint32_t a = ticks();
    million();
    put(elapsed(a, ticks()));
    text("\\n");
    extern uint32_t _stack_low;
    uint32_t here, *low = &_stack_low;
    for (uint32_t *p = low; p < &here - 64; p++) *p = 0xA5A5A5A5;
    before = ticks();
    for (int k = 0; k < 1000; k++) mark(MARKS);
    for (int s = 0; s < SAMPLES; s++) {
        before = ticks();
        sample(samples[s]);
        mark(MARKS - 1);
        const OUTPUT *o = ANSWER(&net);
        for (int j = 0; j < OUTPUTS; j++) { if (o[j] < 0) text("-"); put(o[j] < 0 ? -o[j] : o[j]); }
        text("\\n");
    }
    for (int k = 0; k <= MARKS; k++) put(counted[k]);
    while (*low == 0xA5A5A5A5) low++;
    put((uint32_t)((char *)&here - (char *)low));
    text("\\n");
    end();
}
"""


@dataclass(frozen=True)
class Measured:
    """What a network did on a core.

    Parameters
    ----------
    instructions
        Of each function of a step for a sample, in the mean, by the function's name, and under
        ``""`` of what is between them.
    code
        Bytes of instructions, with those of the marks.
    stack
        Bytes of stack that a sample took at most.
    outputs
        The answers, ``(samples, outputs)``.
    """

    instructions: dict[str, float]
    code: int
    stack: int
    outputs: NDArray[np.int64]


def run_on(core: Core, written: Written, samples: NDArray[Any], folder: Path) -> Measured:
    """Compile a network for a core and run samples ``(samples, steps, *shape)``."""
    folder.mkdir(parents=True, exist_ok=True)
    prefix = written.prefix
    names = re.findall(r"^    run_(\w+)\(net(?:, input)?\);$", written.source, re.MULTILINE)
    marked = re.sub(
        r"^    run_(\w+)\((net(?:, input)?)\);$",
        lambda match: (
            f"    mark(-1 + {len(names)});\n    run_{match[1]}({match[2]});\n"
            f"    mark({names.index(match[1])});"
        ),
        written.source,
        flags=re.MULTILINE,
    )
    marked = marked.replace(f"mark(-1 + {len(names)})", f"mark({len(names)})")
    (folder / f"{prefix}.h").write_text(written.header)
    (folder / "network.c").write_text("void mark(int);\n" + marked)
    (folder / "string.h").write_text(_STRING)  # a freestanding compiler may have none
    (folder / "main.c").write_text(_main(core, written, samples, len(names) + 1))
    ram = 0x80800000 if core.vectors < 0 else 0x20000000
    size = 0x800000 if core.vectors < 0 else 0x80000
    vectors = core.code + 0x700000 if core.vectors < 0 else core.vectors
    text = _LINK.format(vectors=vectors, code=core.code, ram=ram, size=size)
    (folder / "link.ld").write_text(text)
    base = [core.compiler, *core.flags, *_OPTIONS, f"-I{folder}"]
    compiled = folder / "network.o"
    _do([*base, "-c", "-o", str(compiled), str(folder / "network.c")])
    image = folder / "image.elf"
    own = [*base, "-fno-tree-loop-distribute-patterns"]  # or memset would call itself
    files = [str(folder / "main.c"), str(compiled)]
    _do([*own, "-T", str(folder / "link.ld"), *files, "-lgcc", "-o", str(image)])
    lines = _do(
        [*core.machine, "-icount", "shift=0", "-nographic", "-semihosting", "-kernel", str(image)]
    ).split("\n")
    tick = 1e6 / int(lines[0])
    outputs = np.array(
        [[int(each) for each in line.split()] for line in lines[1 : 1 + len(samples)]]
    )
    *counted, stack = [int(each) for each in lines[1 + len(samples)].split()]
    overhead = counted[-1] * tick / 1000
    steps = samples.shape[1]
    found = {
        name: count * tick / len(samples) - overhead * steps
        for name, count in zip([*names, ""], counted[:-1], strict=True)
    }
    found[""] += overhead * steps - overhead * (1 + steps * len(names))
    return Measured(found, _code(core, compiled), stack, outputs)


def _main(core: Core, written: Written, samples: NDArray[Any], marks: int) -> str:
    source = written.layout.values[written.layout.graph.input.name]
    rows = np.moveaxis(samples, 2, -1).reshape(len(samples), -1)
    data = ",\n".join("{" + ",".join(map(str, row)) + "}" for row in rows.tolist())
    prefix = written.prefix
    defined = {
        "MARKS": marks,
        "NET": f"{prefix}_net",
        "INPUT": f"{prefix}_input",
        "OUTPUT": f"{prefix}_output",
        "RUN": f"{prefix}_run",
        "ANSWER": f"{prefix}_answer",
        "OUTPUTS": f"{prefix}_OUTPUT_SIZE",
        "SAMPLES": len(samples),
    }
    head = "".join(f"#define {name} {value}\n" for name, value in defined.items())
    kind = f"static const {source.c_type} samples[{len(samples)}][{rows.shape[1]}] = {{{data}}};\n"
    start = _RISCV if core.vectors < 0 else _ARM
    included = f'#include <stddef.h>\n#include <stdint.h>\n#include "{prefix}.h"\n'
    return f"{included}{head}{kind}{start}{_MAIN}"


def _code(core: Core, compiled: Path) -> int:
    """Return the bytes of a file's instructions."""
    text = _do([core.compiler.replace("gcc", "size"), "-A", str(compiled)])
    return sum(int(size) for size in re.findall(r"^\.text\S*\s+(\d+)", text, re.MULTILINE))


def _do(command: list[str]) -> str:
    # Semihosting writes to standard error.
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}")
    return done.stdout


def constants(written: Written) -> int:
    """Return the bytes of a network's constants."""
    return sum(written.flash.values())


__all__ = ["BYTES", "CORES", "Core", "Measured", "constants", "run_on"]
