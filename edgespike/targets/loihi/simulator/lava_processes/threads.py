# mypy: ignore-errors
"""Lava's messages between threads of one process.

Lava starts an operating system's process for each of its processes, and shared memory with two
semaphores and two threads for each channel. For a small network that costs far more than the run
itself. Here each of Lava's processes gets a thread, and a channel is a queue. Compiler, runtime,
synchronisation and process models stay Lava's; a channel carries the same arrays in the same order.
scipy computes the products of sparse matrices without Python's lock, so large networks still use
several cores.
"""

import queue
import threading
import traceback

import numpy as np
from lava.magma.compiler.channels.interfaces import Channel
from lava.magma.compiler.channels.pypychannel import CspRecvPort, CspSendPort, Proto
from lava.magma.runtime.message_infrastructure.message_infrastructure_interface import (
    MessageInfrastructureInterface,
)

_UNUSED = (None,) * 4
"""Semaphores and watchdogs of Lava's own ports."""


class ReceivePort(CspRecvPort):
    """The end of a channel that messages arrive at."""

    def __init__(self, name, proto, size):
        super().__init__(name, None, proto, size, *_UNUSED)
        self._messages = queue.SimpleQueue()
        self._peeked = None

    def start(self):
        """Lava's own port starts a thread here; this one needs none."""

    def join(self):
        """Nothing to wait for, see :meth:`start`."""

    def put(self, message):
        """Take a message from the other end and wake whoever waits for several channels."""
        self._messages.put(message)
        observer = self.observer
        if observer is not None:
            observer()

    def probe(self):
        """Return whether :meth:`recv` would return at once."""
        return self._peeked is not None or not self._messages.empty()

    def peek(self):
        """Return the oldest message, which stays; wait for one if there is none."""
        if self._peeked is None:
            self._peeked = self._messages.get()
        return self._peeked

    def recv(self):
        """Return the oldest message; wait for one if there is none."""
        message, self._peeked = self.peek(), None
        return message


class SendPort(CspSendPort):
    """The end of a channel that messages set out from.

    Lava's own port waits while ``size`` messages are on their way. A process sends one message
    for each step and channel, and all of them wait for each other after each step, so no channel
    ever holds more than a few.
    """

    def __init__(self, name, proto, size, receiver):
        super().__init__(name, None, proto, size, *_UNUSED)
        self._receiver = receiver

    def start(self):
        """Lava's own port starts a thread here; this one needs none."""

    def join(self):
        """Nothing to wait for, see :meth:`start`."""

    def probe(self):
        """Return that :meth:`send` never waits."""
        return True

    def send(self, data):
        """Send a copy of an array, in the channel's data type."""
        if data.shape != self._shape:
            raise AssertionError(f"{data.shape=} {self._shape=} Mismatch")
        message = np.empty(self._shape, self._dtype)
        message[:] = data
        self._receiver.put(message)


class ThreadChannel(Channel):
    """A queue from one of Lava's processes to another; its arguments are those of Lava's own."""

    def __init__(self, infrastructure, source, target, shape, dtype, size, *watchdogs):
        proto = Proto(shape=shape, dtype=dtype, nbytes=0)
        self._receiver = ReceivePort(target, proto, size)
        self._sender = SendPort(source, proto, size, self._receiver)

    @property
    def src_port(self):
        """The end to send to."""
        return self._sender

    @property
    def dst_port(self):
        """The end to receive from."""
        return self._receiver


class Actor(threading.Thread):
    """Runs one of Lava's processes, or its synchronisation."""

    def __init__(self, function, arguments):
        super().__init__(daemon=True)
        self._function, self._arguments = function, arguments
        self.exception = None

    def run(self):
        """Keep what is raised, for the runtime to report."""
        try:
            self._function(**self._arguments)
        except Exception as error:
            self.exception = error, traceback.format_exc()


class Threads(MessageInfrastructureInterface):
    """Makes actors and channels for Lava's runtime."""

    def __init__(self):
        self._actors = []

    @property
    def actors(self):
        """All threads."""
        return self._actors

    def start(self):
        """Lava's own infrastructure starts a server of shared memory here."""

    def stop(self):
        """Wait for all threads, which have been told to stop."""
        for actor in self._actors:
            actor.join()

    def build_actor(self, target_fn, builder, exception_q=None):
        """Start a thread."""
        actor = Actor(target_fn, {"builder": builder, "exception_q": exception_q})
        actor.start()
        self._actors.append(actor)
        return actor

    def channel_class(self, channel_type):
        """Return the one class of channels: all processes are in Python."""
        return ThreadChannel
