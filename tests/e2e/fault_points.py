# SPDX-License-Identifier: Apache-2.0
"""One system call of a decision fails, for each of them in turn; fault_points_test.sh says what must be true then."""
import re
import time

from points import Daemon, Initiate, Remove, Revoke, attempt, call, fail, in_maps, listed, read_ready, trace, wait_for

# The calls on which store and maps depend, and how they fail.
ERRORS = {"pwrite64": ("ENOSPC", "EIO"), "fdatasync": ("EIO", "ENOSPC", "EINTR"), "bpf": ("ENOMEM", "EPERM", "EINTR"),
          "openat": ("EMFILE", "ENOSPC"), "fsync": ("EIO",), "rename": ("ENOSPC",)}
UNDONE = ("StoreFailed", "ServiceUnavailable")


def recorded_of(request_id):
    return [(record["operation"], record["outcome"]) for record in reversed(call("GET", "/v1/audit?limit=20")["records"])
            if record.get("clientRequestId") == request_id]


def check(step, answer, request_id):
    """I7 and I9 while the daemon lives on; returns whether it is recorded, and the sentence that is wrong, if one is."""
    status, body = answer
    wait_for("the daemon recovers", read_ready)
    recorded, records = step.recorded(), recorded_of(request_id)
    done, taken_back = [(step.operation, "allowed")], [(step.operation, "allowed"), ("access.taken_back", "failed")]
    refused = [(step.operation, "refused")]
    code = body.get("code") or body.get("error", {}).get("code")  # ours, Azure's
    if status < 300:
        expected = [(True, done)]
    elif code == "GateFailed" and step.operation == "access.initiate":
        expected = [(False, taken_back), (False, refused)]
    elif code == "GateFailed":
        expected = [(True, done)]
    else:
        expected = [(False, [])] if code in UNDONE else []
    if (recorded, records) not in expected:
        return recorded, "the answer is %s, it is %srecorded, the audit has %s" % (answer, "" if recorded else "not ", records)
    wrong = step.wrong(recorded)
    if wrong:
        return recorded, "it is %srecorded, and %s" % ("" if recorded else "not ", wrong)
    if sorted(grant["serial"] for grant in listed()) != in_maps():
        return recorded, "the map holds %s" % in_maps()
    return recorded, None


def check_again(step, recorded, request_id):
    """After a crash: what was said to be not done is not done now, and nothing has two records."""
    if step.recorded() != recorded:
        return "after a crash it is %srecorded" % ("not " if recorded else "")
    if recorded_of(request_id) != [(step.operation, "allowed")] * recorded:
        return "after a crash the audit has %s" % recorded_of(request_id)
    if sorted(grant["serial"] for grant in listed()) != in_maps():
        return "after a crash the map holds %s" % in_maps()
    wrong = step.wrong(recorded)
    return wrong and "after a crash " + wrong


daemon = Daemon()
daemon.start()
rounds = points = crashes = 0
begun = time.monotonic()
for step in (Initiate(), Revoke(), Remove()):
    step.ask = attempt
    covered = []
    for syscall, errors in ERRORS.items():
        number, others = 1, 0
        while True:
            rounds += 1
            step.begin("10.9.%d.%d" % (rounds // 250, rounds % 250 + 1))
            request_id = "%s-%d" % (step.operation, rounds)
            error = errors[number % len(errors)]
            answer, seen = trace(daemon.process.pid, syscall, "error=" + error, number, lambda: step.do(request_id))
            where = "%s, %s number %d fails with %s: " % (step.name, syscall, number, error)
            if answer is None or daemon.process.poll() is not None:
                fail(where + "the daemon is gone\n" + seen)
            if isinstance(step, Remove) and number % 4:  # it recovers within a second by itself, and at the next decision
                attempt("POST", "/v1/grants/1/revoke")
            recorded, wrong = check(step, answer, request_id)
            here = re.split(r'recvfrom\(.*"%s ' % step.first_word, seen)[-1]
            if not wrong and "(INJECTED)" in here and (syscall == "fdatasync" or syscall == "pwrite64" and number % 4 == 0):
                daemon.process.kill()
                daemon.process.wait()
                daemon.start()
                crashes += 1
                wrong = check_again(step, recorded, request_id)
            if wrong:
                fail(where + wrong + "\n" + seen)
            if "(INJECTED)" in here:
                number += 1
            elif "(INJECTED)" not in seen:
                break
            elif others < 20:  # a tick of the daemon's own clock came first: it was its call that failed
                others += 1
            else:
                fail(where + "no try met this call")
        covered.append("%s %d" % (syscall, number - 1))
        points += number - 1
    call("GET", "/v1/audit/verify")
    print("ok: %s, where each of its calls fails: %s" % (step.name, ", ".join(covered)), flush=True)
print("ok: %d faults, %d of them with a crash after it, %d requests, in %d s" % (points, crashes, rounds, time.monotonic() - begun))
