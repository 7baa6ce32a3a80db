# SPDX-License-Identifier: Apache-2.0
"""What may happen in the soak: each deed chooses at random, knows by the model whether it is allowed, and tells the model."""
import signal
import threading
import time

import model as m
from gate import Difference, knock, nanoseconds

PEOPLE = ("ann", "ben", "cat")
NAMES = ("vm1", "vm2", "vm3")
PORTS = (22, 3389, 5985)
SOURCES = ["10.9.0.%d/32" % n for n in range(1, 6)] + ["10.9.1.0/28", "10.9.0.0/24", "2001:db8:9::1/128", "2001:db8:9::/64"]
HOSTS = ["10.9.0.1", "10.9.0.2", "10.9.0.5", "10.9.0.77", "10.9.1.3", "10.9.1.99", "2001:db8:9::1", "2001:db8:9::77"]
TROUBLE = ("pwrite64:error=ENOSPC", "bpf:error=ENOMEM")  # each call of it
ADDRESSES = ["192.0.2.%d" % n for n in range(20, 26)] + ["2001:db8:2::%d" % n for n in range(20, 26)]


class Deeds:
    """Of a Soak (soak.py)."""

    def request(self):
        self.decide(*self.a_request(self.choose(PEOPLE)))

    def several(self):
        """At the same time, each for sources of its own; perhaps the daemon is killed amid them, or disk or maps fail for all."""
        asked = [self.a_request(who, ["10.9.%d.%d/32" % (2 + n, 1 + PEOPLE.index(who))])
                 for n, who in enumerate(self.random.choices(PEOPLE, k=self.random.randint(2, 8)))]
        decisions = [self.decision(*each) for each in asked]
        answers = [None] * len(decisions)

        def ask(place):
            answers[place] = decisions[place].ask()

        threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(decisions))]
        how = self.choose(("at the same time,", "at the same time,", "killed -9 amid", "killed -9 amid") + TROUBLE)
        if how.startswith("killed"):
            threads.append(threading.Timer(self.random.random() * 0.01, self.daemon.process.kill))
            self.numbers["kills"] += 1

        def run():
            for each in threads:
                each.start()
            for each in threads:
                each.join()

        self.daemon.inject(how, run) if how in TROUBLE else run()
        self.numbers["faults"] += how in TROUBLE
        self.tell(how, len(decisions), "requests:")
        self.conclude(list(zip(decisions, answers)))

    def a_request(self, who, sources=None):
        asked = self.asked(sources)
        if self.random.random() < 0.8:  # mostly what is allowed
            for _ in range(20):
                asked = asked if self.model.may_open(asked) else self.asked(sources)
        body = {"machines": [{"machine": machine, "ports": [{"number": port, "duration": "PT%dS" % seconds,
                                                              "sources": sorted(map(str, nets))}]}
                             for machine, port, nets, seconds in asked]}
        policy = self.model.may_open(asked)
        before = time.time_ns()

        def then(answer, record, taken_back=False):
            now = time.time_ns()
            grants = answer["grants"] if answer else self.grants_of(record)
            self.model.opened([self.granted(grant, who, policy, asked, before, now) for grant in grants], now, taken_back)

        return "access.initiate", "POST", "/v1/requests", body, policy is not None, then, who

    def grants_of(self, record):
        serials = [int(serial) for serial in record["grants"].split(",")]
        grants = [grant for grant in self.daemon.get("/v1/grants?all=true&limit=10000")["grants"] if grant["serial"] in serials]
        if len(grants) != len(serials):
            raise Difference("of the recorded grants %s there are %s" % (serials, grants))
        return grants

    def asked(self, sources=None):
        places = {(self.choose(NAMES), self.choose(PORTS)) for _ in range(self.choose((1, 1, 1, 2, 3)))}
        return [(machine, port, m.networks(sources or self.sources()), self.choose((1, 2, 3, 5, 8, 20, 20, 4000)))
                for machine, port in sorted(places)]

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
            self.numbers["extended"] += 1

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
            self.await_ready()  # a call that failed before may have left the maps to be read anew
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

    def pause(self):
        """The daemon stands still, as in a suspend; the kernel's clock goes on."""
        self.daemon.process.send_signal(signal.SIGSTOP)
        self.tell("stopped")
        for _ in range(self.random.randint(1, 4)):
            self.probe(alive=False)
            time.sleep(self.random.random())
        self.daemon.process.send_signal(signal.SIGCONT)
