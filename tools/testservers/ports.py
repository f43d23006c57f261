"""A port for a server that starts a moment later. Nothing else belongs here."""

import contextlib
import secrets
import socket

FIRST, LAST = 10_000, 29_000
"""Below the ports that the kernel gives to whoever asks for any, and below NodePorts: nobody takes one in between by chance."""


def free_port() -> int:
    """A loopback port that nobody uses at this moment."""
    while True:
        port = FIRST + secrets.randbelow(LAST - FIRST)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
