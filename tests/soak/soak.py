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
from gate import Daemon, Difference, Maps, Rows, knock, nanoseconds, wait_for

PEOPLE = ("ann", "ben", "cat")
NAMES = ("vm1", "vm2", "vm3")
PORTS = (22, 3389, 5985)
SOURCES = ["10.9.0.%d/32" % n for n in range(1, 6)] + ["10.9.1.0/28", "10.9.0.0/24", "2001:db8:9::1/128", "2001:db8:9::/64"]
HOSTS = ["10.9.0.1", "10.9.0.2", "10.9.0.5", "10.9.0.77", "10.9.1.3", "10.9.1.99", "2001:db8:9::1", "2001:db8:9::77"]
ADDRESSES = ["192.0.2.%d" % n for n in range(20, 26)] + ["2001:db8:2::%d" % n for n in range(20, 26)]
# Which call fails and how, or kills; its number is chosen as well. (A lock that cannot be given back is no fault that occurs.)
BLOWS = {"pwrite64": ("ENOSPC", "EIO"), "fdatasync": ("EIO", "ENOSPC"), "bpf": ("ENOMEM", "EPERM", "E2BIG"), "fcntl": (),
         "openat": ("EMFILE", "ENOSPC"), "fsync": ("EIO",), "rename": ("ENOSPC",)}


class Soak:
    def __init__(self, options, random_numbers):
        self.random, self.choose = random_numbers, random_numbers.choice
        self.daemon = Daemon(options.daemon, options.folder + "/daemon/log", options.socket)
        self.rows, self.run_folder = Rows(options.state), options.run
        self.model, self.story, self.begun = m.Model(), [], time.time()
        self.expected, self.tokens, self.ids = {}, {}, {}  # records by request id; secrets; resource ids of machines
        self.numbers = dict.fromkeys(("decisions", "refused", "in doubt", "kills", "faults", "packets", "comparisons"), 0)
        self.serial = 0

    def tell(self, *words):
        self.story.append("%9.3f  %s" % (time.time() - self.begun, " ".join(str(word) for word in words)))

    # ---- one decision ----------------------------------------------------------------------------------------------

    def decide(self, operation, method, path, body, allowed, then, who=None):
        """Asks, holds the answer against what the model allows (None: either), and tells the model by then(answer, record)."""
        self.serial += 1
        request_id = "%s-%d" % (operation, self.serial)
        self.numbers["decisions"] += 1
        ask = lambda: self.daemon.call(method, path, body, self.tokens.get(who), request_id)
        answer = self.hurt(ask) if self.random.random() < 0.15 else ask()
        allowed = allowed() if callable(allowed) else allowed
        said = "died" if answer is None else answer.status
        self.tell(request_id, who or "root", method, path.split("/v1")[-1][-40:], body or "", "→", said, "(to be refused)" if allowed is False else "")
        if answer is None or answer.status >= 500:
            self.numbers["in doubt"] += 1
            seen = self.came_in(body) if operation == "access.initiate" and self.dies() else []
            self.revive()
            self.settle_doubt(operation, request_id, allowed, then, answer)
            for each in seen:
                self.hold("sent before the restart", "pass", *each)
            if operation == "access.initiate" and answer is None and allowed and self.choose((True, False)):
                self.ask_again(request_id, ask, then)
            return
        done = answer.status < 300
        if allowed is not None and done != allowed:
            raise Difference("%s should be %s: %s" % (request_id, "allowed" if allowed else "refused", answer.json))
        self.expected[request_id] = [(operation, 0 if done else 1)]
        if done:
            then(answer.json, None)
        else:
            self.numbers["refused"] += 1
        self.revive()

    def settle_doubt(self, operation, request_id, allowed, then, answer):
        """Not answered, or with an error: then the audit tells whether it was decided."""
        self.await_ready()
        records = self.rows.select("SELECT * FROM audit WHERE client_request_id = ? ORDER BY sequence", request_id)
        found = [(record["operation"], record["outcome"]) for record in records]
        self.tell("   recorded is:", found, answer.json.get("code") if answer else "")
        possible = [[], [(operation, 1)]]
        if allowed is not False:
            taken_back = "grant.taken_back" if operation == "grant.extend" else "access.taken_back"
            possible += [[(operation, 0)], [(operation, 0), (taken_back, 2)]]
        if found not in possible:
            raise Difference("%s has the records %s" % (request_id, found))
        if answer and answer.json.get("code") == "StoreFailed" and found:
            raise Difference("%s could not be recorded by its answer, and has the records %s" % (request_id, found))
        self.expected[request_id] = found
        if found and found[0][1] == 0:
            then(None, records[0], taken_back=len(found) > 1)

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

    def ask_again(self, request_id, ask, then):
        """With the same request id: what was done is answered, what was not is done."""
        answer = ask()
        self.tell("   asked again:", answer and answer.status)
        if answer is None or answer.status != 201:
            raise Difference("%s asked again: %s" % (request_id, answer and answer.json))
        before = [grant for grant in answer.json["grants"] if grant["serial"] in self.model.grants]
        if self.expected[request_id]:
            records = self.rows.select("SELECT grants FROM audit WHERE client_request_id = ?", request_id)
            if len(before) != len(answer.json["grants"]) or \
                    records[0]["grants"] != ",".join(str(grant["serial"]) for grant in before):
                raise Difference("%s asked again is answered with others than it has: %s" % (request_id, answer.json))
        else:
            if before:
                raise Difference("%s asked again is answered with what others have: %s" % (request_id, answer.json))
            self.expected[request_id] = [("access.initiate", 0)]
            then(answer.json, None)

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

    def revive(self):
        if not self.dies():
            return
        if self.choose((True, False)):
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

    # ---- what may happen -------------------------------------------------------------------------------------------

    def request(self):
        who = self.choose(PEOPLE)
        asked = self.asked()
        if self.random.random() < 0.8:  # mostly what is allowed
            for _ in range(20):
                asked = asked if self.model.may_open(asked) else self.asked()
        body = {"machines": [{"machine": machine, "ports": [{"number": port, "duration": "PT%dS" % seconds,
                                                              "sources": sorted(map(str, sources))}]}
                             for machine, port, sources, seconds in asked]}
        policy = self.model.may_open(asked)
        before = time.time_ns()

        def then(answer, record, taken_back=False):
            now = time.time_ns()
            grants = answer["grants"] if answer else self.grants_of(record)
            self.model.opened([self.granted(grant, who, policy, asked, before, now) for grant in grants], now, taken_back)

        self.decide("access.initiate", "POST", "/v1/requests", body, policy is not None, then, who)

    def grants_of(self, record):
        serials = [int(serial) for serial in record["grants"].split(",")]
        grants = [grant for grant in self.daemon.get("/v1/grants?all=true")["grants"] if grant["serial"] in serials]
        if len(grants) != len(serials):
            raise Difference("of the recorded grants %s there are %s" % (serials, grants))
        return grants

    def asked(self):
        places = {(self.choose(NAMES), self.choose(PORTS)) for _ in range(self.choose((1, 1, 1, 2, 3)))}
        return [(machine, port, m.networks(self.sources()), self.choose((1, 2, 3, 5, 8, 20, 20, 4000))) for machine, port in sorted(places)]

    def granted(self, grant, who, policy, asked, before, now):
        """An answered grant, if it is one of those that were asked for."""
        machine, port, sources, seconds = next(each for each in asked if each[:2] == (grant["machineName"], grant["port"]))
        rule = self.model.policies[policy].rules[machine, port]
        start, end = nanoseconds(grant["startTimeUtc"]), nanoseconds(grant["endTimeUtc"])
        wanted = (who, policy, rule.protocol, sources, True, seconds * 10**9)
        given = (grant["requestor"], grant["policy"].split("/")[-1], grant["protocol"], m.networks(grant["sources"]),
                 before - 10**7 <= start <= now, end - start)
        if wanted != given:
            raise Difference("asked for %s, granted %s" % (wanted, grant))
        return m.Grant(grant["serial"], who, policy, machine, port, rule.protocol, sources, rule.ending, start, end)

    def sources(self):
        if self.random.random() < 0.2:
            return self.choose((["10.9.0.1/32", "10.9.0.2/32"], ["10.9.0.1/32", "2001:db8:9::1/128"]))
        return [self.choose(SOURCES)]

    def revoke(self):
        known = sorted(self.model.running(time.time_ns())) or sorted(self.model.grants)[-5:]
        if not known:
            return
        serial = self.choose(known)
        grant = self.model.grants[serial]
        who = self.choose((None, None, grant.person) + PEOPLE)
        ending = self.choose((None, None, "drain", "cut"))
        allowed = who is None or (who == grant.person and ending is None)

        def then(*_, taken_back=False):
            self.model.revoked(serial, time.time_ns())

        self.decide("grant.revoke", "POST", "/v1/grants/%d/revoke" % serial, ending and {"ending": ending}, allowed, then, who)

    def extend(self):
        running = sorted(self.model.running(time.time_ns()))
        if not running or not self.extends:
            return
        grant, seconds = self.model.grants[self.choose(running)], self.choose((3, 8, 20, 20, 4000))
        who, before = self.choose((None, grant.person, grant.person) + PEOPLE), time.time_ns()

        def allowed():
            now, length = time.time_ns(), seconds * 10**9
            if who not in (None, grant.person) or length > 3600 * 10**9 or now + length < grant.end:
                return False
            return True if now < grant.end and before + length >= grant.end else None

        def then(answer, record, taken_back=False):
            end = nanoseconds((answer or self.grants_of(record)[0])["endTimeUtc"])
            if taken_back:
                return
            if not before - 10**7 <= end - seconds * 10**9 <= time.time_ns():
                raise Difference("grant %d was extended by %d s to %d" % (grant.serial, seconds, end))
            grant.end = end

        self.decide("grant.extend", "POST", "/v1/grants/%d/extend" % grant.serial, {"duration": "PT%dS" % seconds}, allowed, then, who)

    def put_policy(self):
        name = self.choose(("day", "night"))
        places = [(machine, port) for machine in NAMES for port in PORTS if self.random.random() < 0.6]
        rules = {place: m.Rule(self.choose(("TCP", "*", "*")), self.choose((None, None, m.networks(["10.9.0.0/24", "2001:db8:9::/64"]))),
                               3600, self.choose(("drain", "cut")),
                               m.networks(["10.9.0.5/32"]) if self.random.random() < 0.15 else frozenset())
                 for place in places or [("vm1", 22)]}
        policy = m.Policy("monitor" if self.random.random() < 0.1 else "enforce", rules)
        machines = [{"id": self.ids[machine], "ports": [self.wire(port, rule) for (of, port), rule in rules.items() if of == machine]}
                    for machine in NAMES if any(of == machine for of, _ in rules)]
        then = lambda *_, taken_back=False: self.model.put_policy(name, policy, time.time_ns())
        self.decide("policy.put", "PUT", self.path(name),
                    {"kind": "Basic", "properties": {"mode": policy.mode, "virtualMachines": machines}}, True, then)

    def wire(self, port, rule):
        sources = {"allowedSourceAddressPrefix": "*"} if rule.sources is None else \
            {"allowedSourceAddressPrefixes": sorted(map(str, rule.sources))}
        return {"number": port, "protocol": rule.protocol, "maxRequestAccessDuration": "PT1H", "ending": rule.ending,
                "standingSources": sorted(map(str, rule.standing)), **sources}

    def path(self, name):
        return self.policies_path + name + "?api-version=2020-01-01"

    def remove_policy(self):
        name = self.choose(("day", "night"))
        then = lambda *_, taken_back=False: self.model.remove_policy(name, time.time_ns())
        self.decide("policy.delete", "DELETE", self.path(name), None, True, then)

    def put_machine(self, name=None):
        name = name or self.choose(NAMES)
        taken = set().union(*(addresses for other, addresses in self.model.machines.items() if other != name))
        free = [each for each in ADDRESSES if m.ipaddress.ip_address(each) not in taken]
        addresses = self.random.sample(free, self.choose((1, 2)))

        def then(*_, taken_back=False):
            self.model.machines[name] = {m.ipaddress.ip_address(each) for each in addresses}

        self.decide("machine.put", "PUT", "/v1/machines/" + name, {"addresses": addresses}, True, then)

    def probe(self, alive=True):
        """What a packet meets: as the daemon explains it, and as it is."""
        source, destination = (m.ipaddress.ip_address(self.choose(each)) for each in (HOSTS, ADDRESSES))
        claims = [key for key in self.model.claims(time.time_ns()) if key[2] == "TCP"]
        if claims and self.choose((True, False)):  # where somebody may come in
            destination, _, _, _ = self.choose(claims)
        if source.version != destination.version:
            return
        port, protocol = self.choose(PORTS), self.choose(("TCP", "UDP"))
        if alive:
            begun = time.time_ns()
            told = self.daemon.get("/v1/gate/explain?source=%s&destination=%s&port=%d&protocol=%s&sourcePort=%d" %
                                   (source, destination, port, protocol, self.random.randint(1024, 65535)))
            self.hold("explained", told["verdict"], source, destination, port, protocol, begun, told)
        begun = time.time_ns()
        expected = self.model.verdict(source, destination, port, "TCP", begun, begun)
        comes_in = knock(source, destination, port, 60 if expected == "pass" else 0.03)
        if comes_in or expected == "pass":
            self.hold("sent", "pass" if comes_in else "drop", source, destination, port, "TCP", begun)
        self.numbers["packets"] += 1

    def hold(self, how, verdict, source, destination, port, protocol, begun, told=""):
        expected = self.model.verdict(source, destination, port, protocol, begun, time.time_ns() + 2 * 10**7)
        if expected not in (None, verdict):
            raise Difference("%s: a packet from %s to %s port %d (%s) meets %s instead of %s %s" %
                             (how, source, destination, port, protocol, verdict, expected, told))

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
        deeds = {self.request: 40, self.revoke: 10, self.extend: 8, self.probe: 25, self.put_policy: 3, self.remove_policy: 0.5, self.put_machine: 2,
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
