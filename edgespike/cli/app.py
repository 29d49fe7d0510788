"""The application with all its commands, and how every command handles errors."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from edgespike.cli import (
    budget,
    compare,
    convert,
    data,
    demo,
    devices,
    energy,
    ensemble,
    entropy,
    export,
    frontier,
    nir,
    prune,
    run,
    show,
    sweep,
    targets,
    train,
    verify,
)
from edgespike.cli.options import BAD_USE, Command
from edgespike.errors import EdgespikeError

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 plus the signal's number, as shells report it."""

INTERNAL_ERROR = 70
"""Exit code after an internal error, EX_SOFTWARE in BSD's sysexits: distinct from 1."""

_INTERRUPT_MESSAGE = "interrupted; no half-written file was left behind"

MESSAGE_LIMIT = 20_000
"""Most characters of an error message that are printed: it may quote a hostile file."""

app = typer.Typer(
    name="edgespike",
    help=(
        "Run efficient neural networks bit for bit on neuromorphic and edge hardware, and know "
        "their cost."
    ),
    epilog="Start with: edgespike demo. An output file is written whole or not at all; it replaces "
    "an older one with --force only, and never one that the same command reads. An output folder "
    "must be new or empty, except for train. Exit codes: 0 success, 1 a check failed, 2 wrong use "
    "or bad input, 70 internal error, 128 + N after signal N, so 130 after Ctrl-C.",
    no_args_is_help=True,
    rich_markup_mode=None,  # importing rich would double the time of --help
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def run_app() -> None:
    """Run the command line, and end the process with its exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # ignored under nohup
            signal.signal(number, _terminate)
    _prepare_streams()
    stdout = sys.stdout
    try:
        app(prog_name="edgespike")
    except SystemExit:
        if sys.stdout is not stdout:  # typer replaced it and exits with 1: nothing reads the pipe
            raise SystemExit(BAD_USE) from None
        raise
    except KeyboardInterrupt:
        _end(_INTERRUPT_MESSAGE, INTERRUPTED)
    except OSError as error:  # the help text could not be written
        _discard_output()
        _end(_os_message(error), BAD_USE)


def _prepare_streams() -> None:
    """Open closed streams, and let streams replace characters that they cannot encode."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - open until the end
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _os_message(error: OSError) -> str:
    place = error.filename if error.filename is not None else "standard output"
    return f"error: {place}: {error.strerror or error}; fix this or write elsewhere, then run again"


def _terminate(number: int, _: object) -> NoReturn:
    # Unwinding the stack removes temporary files and stops workers.
    raise SystemExit(128 + number)


def _reporting_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that prints expected errors without a stack trace, and exits."""

    @functools.wraps(command)
    def reporting(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except EdgespikeError as error:
            _end(f"error: {error}", BAD_USE)
        except KeyboardInterrupt:
            _end(_INTERRUPT_MESSAGE, INTERRUPTED)
        except BrokenPipeError:
            _discard_output()
            raise SystemExit(BAD_USE) from None
        except OSError as error:
            _discard_output()
            _end(_os_message(error), BAD_USE)
        except MemoryError as error:
            _end(f"error: not enough memory: {error}; use fewer samples or more memory", BAD_USE)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except Exception:
            traceback.print_exc()
            _end("internal error in edgespike: please report the lines above", INTERNAL_ERROR)

    return reporting


def _end(message: str, code: int) -> NoReturn:
    message = _printable(message)
    with contextlib.suppress(OSError):  # if standard error is full, the exit code has to do
        print(message, file=sys.stderr, flush=True)
    raise SystemExit(code)


def _printable(message: str) -> str:
    """Return a message with control characters escaped, and cut to :data:`MESSAGE_LIMIT`."""
    cut = message[:MESSAGE_LIMIT]
    if len(message) > len(cut):
        cut += f"... ({len(message)} characters)"
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in cut)


def _discard_output() -> None:
    # Flushing the buffer of a full or closed standard output would fail again at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_version(wanted: bool) -> None:
    if wanted:
        from edgespike import __version__

        print(f"edgespike {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


for module in (
    data,
    train,
    sweep,
    frontier,
    prune,
    convert,
    ensemble,
    export,
    nir,
    run,
    verify,
    energy,
    compare,
    budget,
    entropy,
    show,
    targets,
    devices,
    demo,
):
    name = module.__name__.rpartition(".")[2]
    app.command(name, cls=Command, epilog=f"Example: {module.EXAMPLE}")(
        _reporting_errors(module.command)
    )
