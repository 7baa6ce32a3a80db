# SPDX-License-Identifier: Apache-2.0
"""Traffic that can be counted: steady.py ADDRESS OPEN-PORT CLOSED-PORT RATE. Opens a UDP session with an echo on OPEN-PORT,
prints "open", waits for a line on stdin, then sends RATE datagrams a second on it and a tenth as many to CLOSED-PORT,
until stdin ends. Prints how many of each it sent."""
import select
import socket
import sys
import time

address, open_port, closed_port, rate = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
session = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
session.connect((address, open_port))
session.settimeout(0.5)
for attempt in range(100):
    try:
        session.send(b"first")
        session.recv(100)
        break
    except OSError:
        time.sleep(0.1)
else:
    sys.exit("no echo from %s port %d" % (address, open_port))
probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
print("open", flush=True)
sys.stdin.readline()

sent = probes = 0
due = time.monotonic()
while not select.select([sys.stdin], [], [], 0)[0]:
    for _ in range(10):
        session.send(b"counted")
        sent += 1
    probe.sendto(b"probe", (address, closed_port))
    probes += 1
    due = max(due + 10 / rate, time.monotonic() - 0.001)  # what was missed is not made up for in a burst
    time.sleep(max(0, due - time.monotonic()))
print(sent, probes)
