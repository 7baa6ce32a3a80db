# SPDX-License-Identifier: Apache-2.0
"""The measuring part of bench/many_grants: SOCKET STARTS PID BPFFS STORE DUE DUE_AT JSON COMMAND"""
import http.client
import json
import os
import platform
import socket
import sqlite3
import statistics
import subprocess
import sys
import time

SOCKET, STARTS, PID, BPFFS, STORE = sys.argv[1:6]
DUE, DUE_AT, JSON, COMMAND = int(sys.argv[6]), int(sys.argv[7]), sys.argv[8], sys.argv[9]


class UnixConnection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(SOCKET)


api = UnixConnection("localhost")


def call(method, target, body=None):
    begin = time.perf_counter()
    api.request(method, target, body and json.dumps(body), {"Content-Type": "application/json"})
    answer = api.getresponse()
    text = answer.read()
    took = (time.perf_counter() - begin) * 1e3
    if answer.status >= 300:
        sys.exit("%s %s: %d %s" % (method, target, answer.status, text.decode()[:500]))
    return took, text


def resident_mb():
    with open("/proc/%s/status" % PID) as file:
        return [int(line.split()[1]) / 1024 for line in file if line.startswith("VmRSS")][0]


def map_bytes(name):
    shown = subprocess.run(["bpftool", "-j", "map", "show", "pinned", name], capture_output=True, check=True).stdout
    return json.loads(shown)["bytes_memlock"]


def ended():
    store = sqlite3.connect("file:%s?mode=ro" % STORE, uri=True)
    try:
        return store.execute("SELECT count(*) FROM grants WHERE state = 1").fetchone()[0]
    finally:
        store.close()


def median_of(count, act):
    return statistics.median(act(n) for n in range(count))


def ask(number):
    port = {"number": 22, "duration": "PT10M", "sources": ["192.168.0.%d" % number]}
    return call("POST", "/v1/requests", {"machines": [{"machine": "vm7", "ports": [port]}]})[0]


with open(STARTS) as file:
    starts = {word: int(number) / 1e3 for word, number in (line.split() for line in file)}
folder = os.path.join(BPFFS, [name for name in os.listdir(BPFFS) if name.startswith("v")][0])
maps = {name: map_bytes(os.path.join(folder, name)) for name in
        ("grants_v4", "grants_v6", "grant_records", "grant_usage", "services_v4")}
figures = [("start to ready after a reboot (maps empty), s", starts["reboot"]),
           ("start to ready after a restart (maps full), s", starts["restart"]),
           ("resident memory of the daemon, MB", resident_mb())]
figures += [("map %s, MB" % name, size / 2**20) for name, size in maps.items()]
figures.append(("a page of the list (1000 grants), ms", median_of(5, lambda n: call("GET", "/v1/grants?limit=1000")[0])))
figures.append(("a request for access, ms", median_of(50, ask)))

api.close()  # the daemon ends a connection that is idle for long; the next call opens another
longest = 0.0
done = None
while time.time() < DUE_AT - 1:
    time.sleep(0.2)
while time.time() < DUE_AT + 120 and not done:
    longest = max(longest, call("GET", "/healthz")[0])
    if time.time() > DUE_AT and ended() >= DUE:
        done = time.time() - DUE_AT
figures.append(("%d grants end at once: until all are recorded, s" % DUE, done if done is not None else float("nan")))
figures.append(("the longest that an answer took meanwhile, ms", longest))

print("Linux %s, %d processors; %s" % (platform.release(), os.cpu_count(), COMMAND))
for name, value in figures:
    print("%-60s %10.2f" % (name, value))
with open(JSON, "w") as file:
    json.dump({"kernel": platform.release(), "processors": os.cpu_count(), "command": COMMAND, "figures": dict(figures)}, file, indent=1)
