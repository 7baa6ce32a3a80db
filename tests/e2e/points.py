# SPDX-License-Identifier: Apache-2.0
"""What kill_points.py and fault_points.py share: the daemon, its API, what passes the gate, and the decisions whose system
calls they walk over. Both are started in the client's namespace, with SOCKET MACHINE GRANT_MAP FOLDER COMMAND… (the daemon's)."""
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time

SOCKET, MACHINE, GRANT_MAP, FOLDER = sys.argv[1:5]
DAEMON = sys.argv[5:]
STRANGER = "10.9.255.1"  # has no grant, ever
LOG = FOLDER + "/daemon/log"


def fail(sentence):
    print("not ok: " + sentence)
    sys.exit(1)


def wait_for(what, condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            fail("in vain for %d s: %s" % (seconds, what))
        time.sleep(0.005)


def read(path):
    with open(path) as file:
        return file.read()


# ---- the daemon, its API, and what passes the gate -------------------------------------------------------------------------


class Daemon:
    def start(self):
        with open(LOG, "w") as log:
            self.process = subprocess.Popen(DAEMON, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for("the daemon starts", lambda: "posternd: ready" in read(LOG) or self.process.poll() is not None)
        if self.process.poll() is not None:
            fail("the daemon does not start: " + read(LOG))


def call(method, path, body=None, request_id="setup"):
    """The answer's JSON ({} if it has none), or None if the daemon died before it answered."""
    answer = attempt(method, path, body, request_id)
    if answer and answer[0] >= 300:
        fail("%s %s: %d %s" % (method, path, *answer))
    return answer and answer[1]


def attempt(method, path, body=None, request_id="setup"):
    """The answer's status and JSON, or None."""
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(60)
    try:
        connection.sock.connect(SOCKET)
        connection.request(method, path, body and json.dumps(body),
                           {"Content-Type": "application/json", "x-ms-client-request-id": request_id})
        answer = connection.getresponse()
        text = answer.read()
    except (http.client.HTTPException, ConnectionError):
        return None
    finally:
        connection.close()
    return answer.status, json.loads(text) if text else {}


def read_ready():
    return attempt("GET", "/readyz")[0] == 200


def listed():
    return call("GET", "/v1/grants")["grants"]


def in_maps():
    dump = subprocess.run(["bpftool", "-j", "map", "dump", "pinned", GRANT_MAP], capture_output=True, check=True).stdout
    return sorted(entry["formatted"]["value"]["serial"] for entry in json.loads(dump))


def dropped():
    return sum(reason["packets"] for reason in call("GET", "/v1/status")["reasons"] if reason["name"] == "no_grant")


class Knock:
    """A new connection from `source` to the machine's port 22."""

    def __init__(self, source):
        self.socket = socket.socket()
        self.socket.bind((source, 0))
        self.socket.setblocking(False)
        self.socket.connect_ex((MACHINE, 22))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def passes(self, seconds):
        writable = select.select([], [self.socket], [], seconds)[1]
        return bool(writable) and self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def is_open(source):
    """It is in, or the gate counts its SYN as dropped: no time decides."""
    before = dropped()
    deadline = time.monotonic() + 60
    with Knock(source) as knock:
        while time.monotonic() < deadline:
            if knock.passes(0.005):
                return True
            if dropped() > before:
                return knock.passes(0)
    fail("the connection from %s was neither let in nor dropped" % source)


# ---- the decisions ----------------------------------------------------------------------------------------------------


def ask(source, request_id, by=call, duration="PT1H"):
    port = {"number": 22, "duration": duration, "sources": [source]}
    return by("POST", "/v1/requests", {"machines": [{"machine": "vm1", "ports": [port]}]}, request_id)


def grants_of(source):
    return [grant for grant in listed() if grant["sources"] == [source]]


class Initiate:
    name, first_word, operation = "request", "POST", "access.initiate"
    ask = staticmethod(call)  # or attempt

    def begin(self, source):
        self.source = source

    def do(self, request_id):
        return ask(self.source, request_id, self.ask)

    def recorded(self):
        return bool(grants_of(self.source))

    def wrong(self, recorded):
        if is_open(self.source) != recorded:
            return "the port is " + ("shut" if recorded else "open")
        return None

    def may_be_done(self):  # asked of the kernel alone, the daemon being dead
        with Knock(self.source) as knock:
            return knock.passes(0.1)


class Revoke(Initiate):
    name, operation = "revocation", "grant.revoke"

    def begin(self, source):
        self.source = source
        self.serial = ask(source, "setup-" + source)["grants"][0]["serial"]
        if not is_open(source):
            fail("a grant does not open")

    def do(self, request_id):
        return self.ask("POST", "/v1/grants/%d/revoke" % self.serial, None, request_id)

    def recorded(self):
        return not grants_of(self.source)

    def wrong(self, recorded):
        if is_open(self.source) == recorded:
            return "the port is " + ("open" if recorded else "shut")
        return None

    def may_be_done(self):
        with Knock(self.source) as knock:
            return not knock.passes(4)


class Remove(Initiate):
    name, first_word, operation = "removal of the policy", "DELETE", "policy.delete"

    def __init__(self):
        self.policy = call("GET", "/v1/policies")["policies"][0]
        self.path = self.policy["id"] + "?api-version=2020-01-01"

    def begin(self, source):
        self.source = source
        if not call("GET", "/v1/policies")["policies"]:
            call("PUT", self.path, {"kind": "Basic", "properties": {
                "virtualMachines": self.policy["properties"]["virtualMachines"]}})
        ask(source, "setup-" + source)
        if is_open(STRANGER) or not is_open(source):
            fail("the policy does not guard")

    def do(self, request_id):
        return self.ask("DELETE", self.path, None, request_id)

    def recorded(self):
        return not call("GET", "/v1/policies")["policies"]

    def wrong(self, recorded):
        if recorded and grants_of(self.source):
            return "its grant is listed"
        with Knock(STRANGER) as knock:  # nothing is dropped where nothing is guarded
            if recorded:
                return None if knock.passes(60) else "the port is still guarded"
        if is_open(STRANGER):
            return "the port is not guarded"
        return None if is_open(self.source) else "its grant does not open"

    def may_be_done(self):
        with Knock(STRANGER) as knock:
            return knock.passes(0.1)


# ---- at one system call -------------------------------------------------------------------------------------------------


def trace(pid, syscall, blow, number, run):
    """Runs a request while strace waits to do `blow` to `pid` as it enters its number-th call; returns the answer and the trace."""
    path = FOLDER + "/strace"
    strace = subprocess.Popen(["strace", "-p", str(pid), "-o", path, "-e", "trace=recvfrom," + syscall, "-e",
                               "inject=%s:%s:when=%d" % (syscall, blow, number)], stderr=subprocess.PIPE, text=True)
    said = strace.stderr.readline()
    if "attached" not in said:
        fail("strace cannot attach: " + said)
    answer = run()
    if answer is not None:
        strace.send_signal(signal.SIGINT)  # lets go of the daemon
    strace.wait()
    return answer, read(path)
