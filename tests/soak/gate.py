# SPDX-License-Identifier: Apache-2.0
"""The real daemon and gate as the soak sees them: the process, its API, its database, the pinned maps, packets."""
import ctypes
import datetime
import glob
import http.client
import ipaddress
import json
import mmap
import os
import platform
import select
import signal
import socket
import sqlite3
import struct
import subprocess
import time

EPOCH = datetime.datetime(1970, 1, 1)


class Difference(Exception):
    """What should be equal is not."""


def wait_for(what, condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Difference("in vain for %d s: %s" % (seconds, what))
        time.sleep(0.01)


def nanoseconds(text):
    """Of a time as the API writes it: UTC, seven decimals."""
    whole, decimals = text.rstrip("Z").split(".")
    return int((datetime.datetime.fromisoformat(whole) - EPOCH).total_seconds()) * 10**9 + int(decimals.ljust(9, "0"))


class Answer:
    def __init__(self, status, text):
        self.status, self.json = status, json.loads(text) if text else {}


class Daemon:
    def __init__(self, command, log, socket_path):
        self.command, self.log, self.socket_path = command, log, socket_path
        self.process = None

    def start(self):
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for("the daemon starts", lambda: "posternd: ready" in self.said() or not self.alive())
        if not self.alive():
            raise Difference("the daemon does not start: " + self.said())

    def said(self):
        with open(self.log) as log:
            return log.read()

    def alive(self):
        return self.process.poll() is None

    def end(self, number=signal.SIGKILL):
        self.process.send_signal(number)
        self.process.wait()

    def call(self, method, path, body=None, token=None, request_id=None):
        """None if the daemon died before it answered."""
        fields = {"Content-Type": "application/json"}
        if token:
            fields["Authorization"] = "Bearer " + token
        if request_id:
            fields["x-ms-client-request-id"] = request_id
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(60)
        try:
            connection.sock.connect(self.socket_path)
            connection.request(method, path, json.dumps(body) if body is not None else None, fields)
            answer = connection.getresponse()
            return Answer(answer.status, answer.read())
        except (http.client.HTTPException, ConnectionError, FileNotFoundError):
            return None
        finally:
            connection.close()

    def get(self, path):
        answer = self.call("GET", path)
        if answer is None or answer.status >= 300:
            raise Difference("GET %s: %s" % (path, answer and (answer.status, answer.json)))
        return answer.json

    def inject(self, what, run):
        """run() while strace waits to do `what` (its --inject) to the daemon."""
        strace = subprocess.Popen(["strace", "-p", str(self.process.pid), "-o", "/dev/null", "-e", "trace=" + what.split(":")[0],
                                   "-e", "inject=" + what], stderr=subprocess.PIPE, text=True)
        try:
            said = strace.stderr.readline()
            if "attached" not in said:
                raise Difference("strace cannot attach: " + said)
            return run()
        finally:
            strace.send_signal(signal.SIGINT)
            strace.wait()


class Rows:
    """Of the database, read beside the daemon."""

    def __init__(self, path):
        self.path, self.last = path, 0

    def select(self, text, *values):
        connection = sqlite3.connect("file:%s?mode=ro" % self.path, uri=True, timeout=60)
        try:
            connection.row_factory = sqlite3.Row
            return connection.execute(text, values).fetchall()
        finally:
            connection.close()

    def new_records(self):
        records = self.select("SELECT * FROM audit WHERE sequence > ? ORDER BY sequence", self.last)
        self.last = records[-1]["sequence"] if records else self.last
        return records


# ---- the pinned maps ---------------------------------------------------------------------------------------------------

RECORD = struct.Struct("=QQQII")  # struct gate_record of bpf/abi/grant.h
BPF_OBJ_GET = 7
BPF_CALL = {"x86_64": 321, "aarch64": 280}[platform.machine()]


class Maps:
    def __init__(self, run_folder):
        self.run_folder = run_folder
        self.folder = glob.glob(run_folder + "/bpf/v*")[0]

    def dump(self, name):
        said = subprocess.run(["bpftool", "-j", "map", "dump", "pinned", self.folder + "/" + name], capture_output=True, check=True)
        return [(each["formatted"]["key"], each["formatted"]["value"]) for each in json.loads(said.stdout)]

    def services(self):
        """(address, port, protocol): (id, enforced)"""
        found = {}
        for name in ("services_v4", "services_v6"):
            for key, value in self.dump(name):
                place = (address(key["address"]), socket.ntohs(key["port_be"]), "TCP" if key["protocol"] == 6 else "UDP")
                found[place] = (value["id"], bool(value["flags"] & 1))
        return found

    def entries(self):
        """(service id, source): its value"""
        found = {}
        for name in ("grants_v4", "grants_v6"):
            for key, value in self.dump(name):
                source = ipaddress.ip_network("%s/%d" % (address(key["source"]), key["prefix_length"]))
                found[key["service"], source] = value
        return found

    def records(self):
        """Of live grants: {serial: (slot, deadline, ending)}"""
        path = ctypes.create_string_buffer((self.folder + "/grant_records").encode())
        attribute = struct.pack("=QII", ctypes.addressof(path), 0, 0)
        fd = ctypes.CDLL(None, use_errno=True).syscall(BPF_CALL, BPF_OBJ_GET, attribute, len(attribute))
        if fd < 0:
            raise Difference("the records cannot be opened: errno %d" % ctypes.get_errno())
        size = int(json.loads(subprocess.run(["bpftool", "-j", "map", "show", "pinned", self.folder + "/grant_records"],
                                             capture_output=True, check=True).stdout)["max_entries"]) * RECORD.size
        try:
            with mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ) as bytes_now:
                whole = bytes_now[:]
        finally:
            os.close(fd)
        found, page = {}, bytes(4096)
        used = (at for at in range(0, size, 4096) if whole[at:at + 4096] != page)
        for slot, (serial, deadline, _, state, ending) in ((at // RECORD.size + n, each) for at in used
                                                           for n, each in enumerate(RECORD.iter_unpack(whole[at:at + 4096]))):
            if state == 1:
                if serial in found:
                    raise Difference("grant %d has two live records" % serial)
                found[serial] = (slot, deadline, ("drain", "cut")[ending])
        return found


def address(number_or_bytes):
    if isinstance(number_or_bytes, list):
        return ipaddress.ip_address(bytes(int(each, 16) if isinstance(each, str) else each for each in number_or_bytes))
    return ipaddress.ip_address(struct.pack("=I", number_or_bytes))


# ---- packets -----------------------------------------------------------------------------------------------------------


def knock(source, destination, port, seconds):
    """Whether a new connection comes in within this time."""
    with socket.socket(socket.AF_INET6 if destination.version == 6 else socket.AF_INET) as stream:
        stream.bind((str(source), 0))
        stream.setblocking(False)
        stream.connect_ex((str(destination), port))
        writable = select.select([], [stream], [], seconds)[1]
        return bool(writable) and stream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
