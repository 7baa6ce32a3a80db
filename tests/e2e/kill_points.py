# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the daemon at every step of a request; kill_points_test.sh says what must be true then."""
import re
import time

from points import Daemon, Initiate, Remove, Revoke, call, fail, grants_of, in_maps, listed, trace

# The system calls that leave a mark: store and its locks, maps, log, answer. What lies between two of them changes nothing
# that outlives the process, but for the store's index in shared memory, which is written under the locks (fcntl).
CALLS = ("pwrite64", "fdatasync", "fcntl", "bpf", "write", "sendmsg", "close")


def check(step, answer, done_while_dead, request_id):
    """I7 and I9 after a restart; returns the sentence that is wrong, if one is."""
    recorded = step.recorded()
    records = [record for record in call("GET", "/v1/audit?limit=20")["records"]
               if record.get("clientRequestId") == request_id and record["operation"] == step.operation]
    if answer is not None and not recorded:
        return "it was answered, and is not recorded"
    if done_while_dead and not recorded:
        return "it had taken effect, and is not recorded"
    if [record["outcome"] for record in records] != ["allowed"] * recorded:
        return "the audit has %s of it" % [record["outcome"] for record in records]
    wrong = step.wrong(recorded)
    if wrong:
        return "it is %srecorded, and %s" % ("" if recorded else "not ", wrong)
    if sorted(grant["serial"] for grant in listed()) != in_maps():
        return "the map holds %s" % in_maps()
    if not step.operation == "access.initiate":
        return None if step.do(request_id + "-again") is not None and step.recorded() else "it cannot be done again"
    before = [grant["serial"] for grant in grants_of(step.source)]
    again = [grant["serial"] for grant in step.do(request_id)["grants"]]
    after = [grant["serial"] for grant in grants_of(step.source)]
    if again != after or len(after) != 1 or (before and before != after):
        return "asked again, the answer is grant %s; listed were %s and are %s" % (again, before, after)
    records = [record for record in call("GET", "/v1/audit?limit=20")["records"]
               if record.get("clientRequestId") == request_id]
    return step.wrong(True) if len(records) == 1 else "asked again, it has %d records" % len(records)


daemon = Daemon()
daemon.start()
rounds = points = 0
begun = time.monotonic()
for step in (Initiate(), Revoke(), Remove()):
    covered = []
    for syscall in CALLS:
        number, others = 1, 0
        while True:
            rounds += 1
            step.begin("10.9.%d.%d" % (rounds // 250, rounds % 250 + 1))
            request_id = "%s-%d" % (step.operation, rounds)
            answer, seen = trace(daemon.process.pid, syscall, "signal=SIGKILL", number, lambda: step.do(request_id))
            done_while_dead = False
            if answer is None:
                daemon.process.wait()
                done_while_dead = step.may_be_done()
                daemon.start()
            elif daemon.process.poll() is not None:  # just after it had answered
                daemon.start()
            where = "%s, killed at %s number %d: " % (step.name, syscall, number)
            wrong = check(step, answer, done_while_dead, request_id)
            if wrong:
                fail(where + wrong + "\n" + seen)
            call("GET", "/v1/audit/verify")
            if answer is not None:
                break
            # A tick of the daemon's own clock may have come first; then it was another step that was killed.
            here = re.split(r'recvfrom\(.*"%s ' % step.first_word, seen)[-1]
            if len(re.findall(r"^\d* *%s\(" % syscall, here, re.M)) == number and len(here) < len(seen):
                number += 1
            elif others < 20:
                others += 1
            else:
                fail(where + "no try met this step")
        if number == 1:
            fail("%s makes no call %s, so nothing was tested" % (step.name, syscall))
        covered.append("%s %d" % (syscall, number - 1))
        points += number - 1
    print("ok: %s, killed at each of its steps: %s" % (step.name, ", ".join(covered)), flush=True)
print("ok: %d kill points, %d requests, in %d s" % (points, rounds, time.monotonic() - begun))
