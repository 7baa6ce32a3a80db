# SPDX-License-Identifier: Apache-2.0
"""A random life of the real daemon and gate, told step by step to a model (model.py) and compared with it now and then:
the API's lists, the database, the pinned maps, the audit, and what packets meet. Started by soak_test.sh in the client's
namespace, after whose `--` stands the daemon's command."""
import argparse
import random
import signal
import sys
import threading
import time

import model as m
from compare import Comparison
from deeds import NAMES, PEOPLE, Deeds
from gate import Daemon, Difference, Maps, Rows, knock, wait_for

# Which call fails and how, or kills; its number is chosen as well. (A lock that cannot be given back is no fault that occurs.)
BLOWS = {"pwrite64": ("ENOSPC", "EIO"), "fdatasync": ("EIO", "ENOSPC"), "bpf": ("ENOMEM", "EPERM", "E2BIG"), "fcntl": (),
         "openat": ("EMFILE", "ENOSPC"), "fsync": ("EIO",), "rename": ("ENOSPC",)}


class Decision:
    """One call of the API. `allowed`: what the model says, None for either; `then(answer, record)` tells the model."""

    def __init__(self, soak, operation, method, path, body, allowed, then, who=None):
        soak.serial += 1
        self.id = "%s-%d" % (operation, soak.serial)
        self.operation, self.body, self.allowed, self.then = operation, body, allowed, then
        self.ask = lambda: soak.daemon.call(method, path, body, soak.tokens.get(who), self.id)
        self.text = "%s %s %s %s %s" % (self.id, who or "root", method, path[-30:], body or "")

    def __str__(self):
        return self.text


class Soak(Deeds):
    def __init__(self, options, random_numbers):
        self.random, self.choose = random_numbers, random_numbers.choice
        self.daemon = Daemon(options.daemon, options.folder + "/daemon/log", options.socket)
        self.rows, self.run_folder = Rows(options.state), options.run
        self.model, self.story, self.begun = m.Model(), [], time.time()
        self.expected, self.tokens, self.ids = {}, {}, {}  # records by request id; secrets; resource ids of machines
        self.numbers = dict.fromkeys(("decisions", "refused", "extended", "in doubt", "kills", "faults", "packets", "comparisons"), 0)
        self.serial = 0

    def tell(self, *words):
        self.story.append("%9.3f  %s" % (time.time() - self.begun, " ".join(str(word) for word in words)))

    # ---- one decision ----------------------------------------------------------------------------------------------

    def decide(self, *asked):
        decision = self.decision(*asked)
        self.conclude([(decision, self.hurt(decision.ask) if self.random.random() < 0.15 else decision.ask())])

    def decision(self, *asked):
        return Decision(self, *asked)

    def conclude(self, answered):
        """Brings the daemon back if it died of it, and holds the answers against the model, in the order of their grants."""
        self.numbers["decisions"] += len(answered)
        seen = {}
        if any(answer is None for _, answer in answered) and self.dies():
            seen = {decision: self.came_in(decision.body) for decision, answer in answered
                    if answer is None and decision.operation == "access.initiate"}
        in_doubt = any(answer is None or answer.status >= 500 for _, answer in answered)
        if in_doubt:
            self.revive(probe=False)  # the model does not know yet what packets meet
        place = lambda answer: answer.json["grants"][0]["serial"] if answer and answer.json.get("grants") else 10**9
        for decision, answer in sorted(answered, key=lambda each: place(each[1])):
            self.settle(decision, answer)
            for each in seen.get(decision, []):
                self.hold("sent before the restart", "pass", *each)
        self.revive()

    def settle(self, decision, answer):
        allowed = decision.allowed() if callable(decision.allowed) else decision.allowed
        self.tell(decision, "→", "died" if answer is None else answer.status, "(to be refused)" if allowed is False else "")
        if answer is None or answer.status >= 500:
            self.numbers["in doubt"] += 1
            self.settle_doubt(decision, allowed, answer)
            if decision.operation == "access.initiate" and answer is None and allowed and self.choose((True, False)):
                self.ask_again(decision)
            return
        done = answer.status < 300
        if allowed is not None and done != allowed:
            raise Difference("%s should be %s: %s" % (decision.id, "allowed" if allowed else "refused", answer.json))
        self.expected[decision.id] = [(decision.operation, 0 if done else 1)]
        if done:
            decision.then(answer.json, None)
        else:
            self.numbers["refused"] += 1

    def settle_doubt(self, decision, allowed, answer):
        """Not answered, or with an error: then the audit tells whether it was decided."""
        self.await_ready()
        operation = decision.operation
        records = self.rows.select("SELECT * FROM audit WHERE client_request_id = ? ORDER BY sequence", decision.id)
        found = [(record["operation"], record["outcome"]) for record in records]
        self.tell("   recorded is:", found, answer.json.get("code") if answer else "")
        possible = [[], [(operation, 1)]]
        if allowed is not False:
            taken_back = "grant.taken_back" if operation == "grant.extend" else "access.taken_back"
            possible += [[(operation, 0)], [(operation, 0), (taken_back, 2)]]
        if found not in possible:
            raise Difference("%s has the records %s" % (decision.id, found))
        if answer and answer.json.get("code") == "StoreFailed" and found:
            raise Difference("%s could not be recorded by its answer, and has the records %s" % (decision.id, found))
        self.expected[decision.id] = found
        if found and found[0][1] == 0:
            decision.then(None, records[0], taken_back=len(found) > 1)

    def came_in(self, body):
        """Where what was asked for is open while the daemon is dead."""
        seen = []
        for machine in body["machines"]:
            port, source = machine["ports"][0]["number"], m.ipaddress.ip_network(machine["ports"][0]["sources"][0])[0]
            for destination in self.model.machines[machine["machine"]]:
                begun = time.time_ns()
                if source.version == destination.version and knock(source, destination, port, 0.05):
                    seen.append((source, destination, port, "TCP", begun))
        return seen

    def ask_again(self, decision):
        """With the same request id: what was done is answered, what was not is done."""
        answer = decision.ask()
        self.tell("   asked again:", answer and answer.status)
        if answer is None or answer.status != 201:
            raise Difference("%s asked again: %s" % (decision.id, answer and answer.json))
        before = [grant for grant in answer.json["grants"] if grant["serial"] in self.model.grants]
        if self.expected[decision.id]:
            records = self.rows.select("SELECT grants FROM audit WHERE client_request_id = ?", decision.id)
            if len(before) != len(answer.json["grants"]) or \
                    records[0]["grants"] != ",".join(str(grant["serial"]) for grant in before):
                raise Difference("%s asked again is answered with others than it has: %s" % (decision.id, answer.json))
        else:
            if before:
                raise Difference("%s asked again is answered with what others have: %s" % (decision.id, answer.json))
            self.expected[decision.id] = [("access.initiate", 0)]
            decision.then(answer.json, None)

    # ---- violence --------------------------------------------------------------------------------------------------

    def hurt(self, ask):
        """ask() while the daemon is killed, or one of its system calls fails."""
        how = self.random.random()
        if how < 0.4:
            timer = threading.Timer(self.random.random() * 0.008, self.daemon.process.kill)
            timer.start()
            answer = ask()
            timer.join()
            self.numbers["kills"] += 1
            self.tell("killed -9 at any moment of:")
            return answer
        call = self.choose(sorted(BLOWS))
        errors = how > 0.7 and BLOWS[call]
        blow = "error=" + self.choose(errors) if errors else "signal=SIGKILL"
        what = "%s:%s:when=%d" % (call, blow, self.random.randint(1, 8 if call in ("pwrite64", "bpf") else 2))
        answer = self.daemon.inject(what, ask)
        self.numbers["faults" if errors else "kills"] += 1
        self.tell(what, "in:")
        return answer

    def revive(self, probe=True):
        if not self.dies():
            return
        if probe and self.choose((True, False)):
            self.probe(alive=False)
        self.daemon.start()
        self.tell("   started again")
        self.await_ready()

    def dies(self):
        """A process that was killed takes a moment to be gone: it answers no more when it is."""
        if self.daemon.alive() and self.daemon.call("GET", "/healthz") is not None:
            return False
        self.daemon.process.wait()
        return True

    def await_ready(self):
        def ready():
            answer = self.daemon.call("GET", "/readyz")
            return answer is not None and answer.status == 200
        wait_for("the daemon is ready", ready)

    def restart(self):
        number = self.choose((signal.SIGKILL, signal.SIGTERM))
        self.daemon.end(number)
        self.tell("ended by", number.name)
        self.revive()

    def compare(self):
        self.await_ready()
        Comparison(self).run()
        self.numbers["comparisons"] += 1
        self.tell("store, map, audit and model are equal")

    # ---- the life --------------------------------------------------------------------------------------------------

    def prepare(self):
        self.daemon.start()
        status = self.daemon.get("/v1/status")
        self.policies_path = "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Security/locations/%s/jitNetworkAccessPolicies/" % (
            status["subscription"], status["resourceGroup"], status["location"])
        self.maps = Maps(self.run_folder)
        self.extends = any(row["name"] == "extended_ns" for row in self.rows.select("PRAGMA table_info(grants)"))
        for name in NAMES:
            while name not in self.model.machines:  # one of its system calls may fail
                self.put_machine(name)
            self.ids[name] = self.daemon.get("/v1/machines/" + name)["id"]
        for who in PEOPLE:
            self.expected["token-" + who] = [("token.issue", 0)]
            answer = self.daemon.call("POST", "/v1/tokens", {"principal": who, "role": "requester"}, request_id="token-" + who)
            if answer is None or answer.status != 201:
                raise Difference("no token: %s" % (answer and answer.json))
            self.tokens[who] = answer.json["secret"]
        self.put_policy()

    def live(self, seconds):
        deeds = {self.request: 40, self.several: 4, self.pause: 1.5, self.revoke: 10, self.extend: 8, self.probe: 25, self.put_policy: 3, self.remove_policy: 0.5, self.put_machine: 2,
                 self.restart: 1.5, self.compare: 1.5, lambda: time.sleep(self.random.random() / 4): 8}
        self.prepare()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.random.choices(list(deeds), list(deeds.values()))[0]()
        self.compare()
        self.restart()
        self.compare()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int)
    for name in ("socket", "run", "state", "folder"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("daemon", nargs="+")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**9)
    print("soak of %g s, --seed %d" % (options.seconds, seed), flush=True)
    soak = Soak(options, random.Random(seed))
    try:
        soak.live(options.seconds)
    except Difference as difference:
        print("the last of %d steps:" % len(soak.story))
        print("\n".join(soak.story[-60:]))
        print("not ok: %s (--seed %d)" % (difference, seed))
        sys.exit(1)
    print("ok: store, map, audit and model are equal (seed %d): %s, %d grants" % (
        seed, ", ".join("%d %s" % (number, what) for what, number in soak.numbers.items()), len(soak.model.grants)))


main()
