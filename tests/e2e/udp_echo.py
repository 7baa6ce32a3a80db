# SPDX-License-Identifier: Apache-2.0
"""A UDP service and its clients: `serve PORT` echoes on both families, `ask ADDRESS PORT SECONDS` sends one datagram and fails
without an echo in that time, at once where nobody listens, `session ADDRESS PORT` goes on sending from one port, and prints
a line for each echo, until it is ended."""
import socket
import sys
import time


def serve(port):
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", port))
    while True:
        data, client = server.recvfrom(2048)
        server.sendto(data, client)


def ask(address, port, seconds):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    client = socket.socket(family, socket.SOCK_DGRAM)
    client.settimeout(seconds)
    client.connect((address, port))
    try:
        client.send(b"there?")
        return client.recv(2048) == b"there?"
    except OSError:
        return False


def session(address, port):
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.connect((address, port))
    client.settimeout(0.1)
    number = 0
    while True:
        number += 1
        try:
            client.send(b"%d" % number)
            print(client.recv(2048).decode(), flush=True)
            time.sleep(0.02)
        except OSError:  # lost, or late
            pass


if sys.argv[1] == "session":
    session(sys.argv[2], int(sys.argv[3]))
if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
sys.exit(0 if ask(sys.argv[2], int(sys.argv[3]), float(sys.argv[4])) else 1)
