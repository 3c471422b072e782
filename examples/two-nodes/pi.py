"""One rank of a tiny distributed computation, standard library only."""

from __future__ import annotations

import os
import socket
import sys
import time

RANK = int(os.environ["SKYPILOT_NODE_RANK"])
NODES = int(os.environ["SKYPILOT_NUM_NODES"])
HEAD = os.environ["SKYPILOT_NODE_IPS"].splitlines()[0]
PORT = int(os.environ["ARB_RENDEZVOUS_PORT"])
TERMS = int(os.environ["TERMS"])
PATIENCE_S = 30


def share() -> float:
    """Sum every ``NODES``-th term of the Leibniz series, beginning with this rank's."""
    return sum((-1.0 if k % 2 else 1.0) / (2 * k + 1) for k in range(RANK, TERMS, NODES))


def gather(total: float) -> float:
    """On the head: add the shares of all others to its own."""
    with socket.create_server((HEAD, PORT)) as server:
        server.settimeout(PATIENCE_S)
        for _ in range(NODES - 1):
            connection, _address = server.accept()
            with connection, connection.makefile() as lines:
                total += float(lines.readline())
    return total


def send(part: float) -> None:
    """On the others: bring the share to the head, which may not listen yet."""
    until = time.monotonic() + PATIENCE_S
    while not (connection := knock()):
        if time.monotonic() > until:
            sys.exit(f"rank {RANK}: the head does not listen on {HEAD}:{PORT}")
        time.sleep(0.1)
    with connection:
        connection.sendall(f"{part!r}\n".encode())


def knock() -> socket.socket | None:
    """Connect to the head; None while it refuses."""
    try:
        return socket.create_connection((HEAD, PORT), timeout=PATIENCE_S)
    except ConnectionRefusedError:
        return None


part = share()
print(f"rank {RANK} of {NODES} summed {TERMS // NODES} terms on {socket.gethostname()}", flush=True)
if RANK == 0:
    print(f"pi is {4 * gather(part):.6f}")
else:
    send(part)
