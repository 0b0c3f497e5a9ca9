"""A client to be killed: says how many bytes of the body came, and goes on reading or does not.

python client.py HOST PORT TARGET read|pause
"""

from __future__ import annotations

import socket
import sys
import time


def main(host: str, port: str, target: str, then: str) -> None:
    with socket.create_connection((host, int(port))) as sock:
        sock.sendall(f"GET {target} HTTP/1.1\r\nHost: gateway\r\n\r\n".encode())
        print("asked", flush=True)
        told = received = 0
        while data := sock.recv(65536):
            received += len(data)
            if not told or then == "pause":
                print("receives", flush=True)
                told = received
            while then == "pause":
                time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
