# SPDX-License-Identifier: Apache-2.0
"""kill -9 where nobody asks for anything: as the end of a grant is recorded, and as the daemon starts and records what ended
while it was down. expiry_points_test.sh says what must be true then."""
import os
import re
import subprocess
import time

from points import DAEMON, FOLDER, LOG, Daemon, Knock, ask, attempt, call, fail, grants_of, in_maps, listed, read, read_ready, trace, wait_for

WRITES = "BPF_MAP_UPDATE_(ELEM|BATCH)|BPF_MAP_DELETE_ELEM"
daemon = Daemon()
rounds = 0


def short_grant():
    """One second for a source of its own; its serial."""
    global rounds
    rounds += 1
    source = "10.9.%d.%d" % (rounds // 250, rounds % 250 + 1)
    return source, ask(source, "short-%d" % rounds, duration="PT1S")["grants"][0]["serial"]


def until_gone(source):
    """Until the grant is listed no more, or the daemon is dead (None)."""
    while True:
        answer = attempt("GET", "/v1/grants")
        if answer is None or all(grant["sources"] != [source] for grant in answer[1]["grants"]):
            return answer


def check(where, source, serial):
    """It is over, whoever lives or not; and the next daemon records that, once."""
    with Knock(source) as knock:
        if knock.passes(0.05):
            fail(where + "the port is open past the end")
    daemon.start()
    wait_for("the daemon is ready", read_ready)
    wait_for(where + "the grant is not listed any more", lambda: not grants_of(source))
    records = [record for record in call("GET", "/v1/audit?limit=20&operation=grant.expire")["records"] if serial in record["grants"]]
    if len(records) != 1:
        fail(where + "its end has %d records" % len(records))
    if sorted(grant["serial"] for grant in listed()) != in_maps():
        fail(where + "the map holds %s" % in_maps())


def killed_at_the_end(syscall, number):
    """Whether it was: else there are fewer such calls."""
    source, serial = short_grant()
    answer, _ = trace(daemon.process.pid, syscall, "signal=SIGKILL", number, lambda: until_gone(source))
    if answer is not None and daemon.process.poll() is None:
        return False
    daemon.process.wait()
    time.sleep(0 if answer is not None else 1.1)  # it may have died before the end
    check("killed at %s number %d: " % (syscall, number), source, serial)
    return True


def writes(seen, syscall):
    """The numbers of the calls that write."""
    calls = re.findall(r"^\d* *%s\(.*" % syscall, seen, re.M)
    return [n + 1 for n, call_seen in enumerate(calls) if syscall != "bpf" or re.search(WRITES, call_seen)]


def start_traced(inject=()):
    """Starts it under strace; True if it becomes ready. It is dead at the end, and the trace is written."""
    with open(LOG, "w") as log:
        strace = subprocess.Popen(["strace", "-o", FOLDER + "/strace", "-e", "trace=pwrite64,fdatasync,rename,bpf", *inject, *DAEMON],
                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    wait_for("it starts or dies", lambda: "posternd: ready" in read(LOG) or strace.poll() is not None)
    ready = strace.poll() is None
    if ready:
        children = read("/proc/%d/task/%d/children" % (strace.pid, strace.pid)).split()
        subprocess.run(["kill", "-9", *children], check=True)
    strace.wait()
    return ready


def ended_while_down():
    source, serial = short_grant()
    daemon.process.kill()
    daemon.process.wait()
    time.sleep(1.1)
    return source, serial


# By hand: all of them (a minute). Else those after which something is else than before, and some of the rest.
ALL = os.environ.get("EXPIRY_POINTS") == "all"
begun = time.monotonic()
daemon.start()
covered = []
for syscall, step in (("pwrite64", 1 if ALL else 8), ("fdatasync", 1), ("bpf", 1)):
    numbers = range(1, 1000, step)
    if syscall == "bpf" and not ALL:
        source, _ = short_grant()
        numbers = writes(trace(daemon.process.pid, "bpf", "signal=SIGKILL", 1000, lambda: until_gone(source))[1], "bpf")
    for number in numbers:
        if not killed_at_the_end(syscall, number):
            break
        covered.append("%s %d" % (syscall, number))
if not {"pwrite64 1", "fdatasync 1"} < set(covered):
    fail("the end of a grant makes hardly a call: %s" % covered)
print("ok: the end of a grant, killed as it is recorded: %s" % ", ".join(covered), flush=True)

source, serial = ended_while_down()
if not start_traced():
    fail("the daemon does not start: " + read(LOG))
check("traced: ", source, serial)
seen = read(FOLDER + "/strace")
points = [(syscall, number) for syscall in ("bpf", "fdatasync") + ALL * ("rename", "pwrite64") for number in writes(seen, syscall)]
if len(points) < 3:
    fail("a start that records an end makes hardly a call:\n" + seen)
for syscall, number in points:
    source, serial = ended_while_down()
    start_traced(["-e", "inject=%s:signal=SIGKILL:when=%d" % (syscall, number)])
    check("started, and killed at %s number %d: " % (syscall, number), source, serial)
print("ok: a start that records what ended before, killed at: %s" % ", ".join("%s %d" % point for point in points))
print("ok: in %d s" % (time.monotonic() - begun))
