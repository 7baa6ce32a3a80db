# SPDX-License-Identifier: Apache-2.0
"""The store after a power cut: its log ends at any page, or has rubbish there, or was half taken over into the database.
disk_test.sh says what must be true then. Started like kill_points.py."""
import os
import shutil
import sqlite3
import time

from points import FOLDER, Daemon, ask, attempt, call, fail, in_maps, is_open, listed, read_ready, wait_for

STATE = FOLDER + "/state/postern.db"
LOG = STATE + "-wal"
PAGE, FRAME, LOG_HEAD = 4096, 4096 + 24, 32
SOURCES = ["10.9.1.%d" % n for n in range(1, 4)]


def contents(path):
    with open(path, "rb") as file:
        return file.read()


class Disk:
    """What the power cut left. The files keep their owner."""

    def __init__(self):
        self.database, self.log = contents(STATE), contents(LOG)

    def put(self, database, log):
        if os.path.exists(STATE + "-shm"):
            os.unlink(STATE + "-shm")
        for path, wanted in ((STATE, database), (LOG, log)):
            if not os.path.exists(path):
                shutil.copyfile(STATE, path)
                shutil.copymode(STATE, path)
                os.chown(path, os.stat(STATE).st_uid, os.stat(STATE).st_gid)
            with open(path, "wb") as file:
                file.write(wanted)


def serials():
    return sorted(grant["serial"] for grant in listed())


def audited():
    return call("GET", "/v1/audit/verify")["verified"]


def end(daemon, how):
    getattr(daemon.process, how)()
    daemon.process.wait()


daemon = Daemon()
daemon.start()
end(daemon, "terminate")  # leaves no log
if os.path.exists(LOG):
    fail("after a clean end there is a log")
daemon.start()
states = [(os.path.getsize(LOG), serials(), audited())]  # what stood there after each answer
granted = []
for source in SOURCES[:2]:
    granted.append(ask(source, source)["grants"][0]["serial"])
    states.append((os.path.getsize(LOG), serials(), audited()))
call("POST", "/v1/grants/%d/revoke" % granted[0])
states.append((os.path.getsize(LOG), serials(), audited()))
ask(SOURCES[2], SOURCES[2])
states.append((os.path.getsize(LOG), serials(), audited()))
end(daemon, "kill")
disk = Disk()
frames = (len(disk.log) - LOG_HEAD) // FRAME
if len({state[0] for state in states}) != len(states) or frames * FRAME + LOG_HEAD != len(disk.log):
    fail("the log does not grow with each decision: %s, %d bytes" % (states, len(disk.log)))


def check(what, database, log, good):
    """Of the log its first `good` bytes are as they were written."""
    disk.put(database, log)
    daemon.start()
    wait_for("the daemon is ready", read_ready)
    wanted = [state for state in states if state[0] <= good][-1] if good >= states[0][0] else None
    found = (serials(), audited())
    if wanted is not None and found != wanted[1:]:
        fail("%s: there are grants %s and %d records instead of %s and %d" % (what, *found, *wanted[1:]))
    if in_maps() != found[0]:
        fail("%s: listed are %s, the map holds %s" % (what, found[0], in_maps()))
    end(daemon, "kill")


begun = time.monotonic()
for frame in range(frames):
    at = LOG_HEAD + frame * FRAME
    if frame % 2:
        check("the log ends in its frame %d" % frame, disk.database, disk.log[:at + (FRAME if frame % 4 == 1 else 2000) - 24], at)
    else:
        rubbish = bytes(byte ^ 0x55 for byte in disk.log[at + 1000:at + 1512])
        check("frame %d of the log has rubbish" % frame, disk.database, disk.log[:at + 1000] + rubbish + disk.log[at + 1512:], at)
    check("the log ends before its frame %d" % frame, disk.database, disk.log[:at], at) if frame % 8 == 0 else None
print("ok: a log of %d pages, which ends or has rubbish at each of them: what stood before is there, and no more is open" % frames)

disk.put(disk.database, disk.log)
connection = sqlite3.connect(STATE)
connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
connection.close()
taken_over = contents(STATE)
pages = [page for page in range(len(taken_over) // PAGE)
         if taken_over[page * PAGE:][:PAGE] != disk.database[page * PAGE:][:PAGE]]
for page in pages:
    at = page * PAGE + PAGE // 2
    check("the log is taken over up to the midst of page %d" % page, taken_over[:at] + disk.database[at:], disk.log, len(disk.log))
print("ok: a log that was half taken over into the database, at each of %d pages: nothing is lost" % len(pages))

disk.put(disk.database, disk.log)
daemon.start()
for source, expected in zip(SOURCES, (False, True, True)):
    if is_open(source) != expected:
        fail("at last, the port is %s to %s" % ("shut" if expected else "open", source))
answer = attempt("POST", "/v1/requests", {"machines": [{"machine": "vm1", "ports": [{"number": 22, "duration": "PT1H", "sources": [
    "10.9.1.9"]}]}]}, "last")
if answer is None or answer[0] != 201 or not is_open("10.9.1.9"):
    fail("at last, a request: %s" % (answer,))
print("ok: %d starts in %d s" % (frames + len(pages), time.monotonic() - begun))
