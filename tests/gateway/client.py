"""A client to be killed: says that a response comes, and goes on reading it or does not.

python client.py HOST PORT TARGET read|pause
"""

from __future__ import annotations

import socket
import sys
import time


def main(host: str, port: str, target: str, then: str) -> None:
    with socket.create_connection((host, int(port))) as sock:
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: gateway\r\n\r\n".encode())
        say("asked")
        sock.recv(65536)
        say("receives")
        while then == "pause":
            time.sleep(60)
        while sock.recv(65536):
            pass


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
