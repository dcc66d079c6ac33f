"""A child process, and messages to and fro.

Messages are frames: a kind (1 byte), a length (8 bytes, big endian), and the content.
"""

import os
import selectors
import signal
import subprocess
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import IO, BinaryIO, cast

ALIVE = b"A"
"""The kind of message by which a child only says that it goes on."""
_HEADER = 9
_CHUNK = 1 << 18
_STARTS, _START_S = 3, 60
"""What a child may take to load its modules on a busy node, and how often that is tried."""

Message = tuple[bytes, bytes]
"""Kind and content."""


class SilentError(Exception):
    """The child gave no sign of life for too long."""


class NotStartedError(Exception):
    """The child did not start, however often it was tried."""


class GoneError(Exception):
    """The child has ended. `status`: its exit code, or the negative number of the signal that ended it."""

    def __init__(self, status: int | None) -> None:
        super().__init__()
        self.status = status


def frame(kind: bytes, content: bytes = b"") -> bytes:
    """A message as it goes through a pipe."""
    return kind + len(content).to_bytes(_HEADER - 1, "big") + content


def receive(pipe: BinaryIO) -> Message:
    """The next message from a blocking pipe; kind and content are empty at its end."""
    header = pipe.read(_HEADER)
    return (header[:1], pipe.read(_length(header))) if len(header) == _HEADER else (b"", b"")


def own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """A child's pipes from and to its parent. What else reads or prints in it, libraries above all, gets nothing."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    return questions, answers


class Child:
    """A running command that answers on its standard output what it is asked on its standard input."""

    def __init__(self, command: Sequence[str], *, own_group: bool = True) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=own_group, bufsize=0,
        )  # fmt: skip
        self._pipes = [cast("IO[bytes]", pipe) for pipe in (self._process.stdin, self._process.stdout)]
        self.kill = weakref.finalize(self, _kill, self._process, own_group)
        """Ends the child and, where it has one of its own, everything in its process group, which may outlive it."""
        for pipe in self._pipes:
            os.set_blocking(pipe.fileno(), False)

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def ask(self, kind: bytes, content: bytes, silence_s: float) -> Message:
        """Sends a message and waits for the answer, as long as a sign of life comes every `silence_s` seconds.

        Raises:
            GoneError: the child ended.
            SilentError: it said nothing for too long.
        """
        unsent, received = memoryview(frame(kind, content)), bytearray()
        to_child, from_child = (pipe.fileno() for pipe in self._pipes)
        deadline = time.monotonic() + silence_s
        with selectors.DefaultSelector() as selector:
            selector.register(from_child, selectors.EVENT_READ)
            selector.register(to_child, selectors.EVENT_WRITE)
            while ready := {key.fd for key, _ in selector.select(max(0.0, deadline - time.monotonic()))}:
                if to_child in ready and not (unsent := _send(to_child, unsent)):
                    selector.unregister(to_child)
                if from_child in ready:
                    received += self._read(from_child)
                    for message in _messages(received):
                        if message[0] != ALIVE:
                            return message
                        deadline = time.monotonic() + silence_s
        raise SilentError

    def _read(self, pipe: int) -> bytes:
        if chunk := os.read(pipe, _CHUNK):
            return chunk
        try:
            raise GoneError(self._process.wait(5))
        except subprocess.TimeoutExpired:
            raise GoneError(None) from None


def start(command: Sequence[str], kind: bytes, content: bytes = b"", *, own_group: bool = True) -> Child:
    """A child that has answered its first message.

    Raises:
        NotStartedError: none did.
    """
    for _ in range(_STARTS):
        with suppress(OSError, GoneError, SilentError):
            child = Child(command, own_group=own_group)
            child.ask(kind, content, _START_S)
            return child
    raise NotStartedError


def _kill(process: "subprocess.Popen[bytes]", own_group: bool) -> None:
    if own_group:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()
    process.wait()


def _send(pipe: int, unsent: memoryview) -> memoryview:
    """What is left to send; nothing if the child is gone, which shows when it is listened to."""
    try:
        return unsent[os.write(pipe, unsent[:_CHUNK]) :]
    except BrokenPipeError:
        return unsent[:0]


def _messages(received: bytearray) -> Iterator[Message]:
    """Takes whole messages off the front."""
    while len(received) >= _HEADER and len(received) >= (end := _HEADER + _length(received)):
        message = bytes(received[:1]), bytes(received[_HEADER:end])
        del received[:end]
        yield message


def _length(header: bytes | bytearray) -> int:
    return int.from_bytes(header[1:_HEADER], "big")
