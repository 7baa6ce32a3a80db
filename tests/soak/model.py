# SPDX-License-Identifier: Apache-2.0
"""What must be open: machines, policies and grants, and the few rules by which they change. Knows nothing of the
product but what its API promises."""
import dataclasses
import ipaddress
import itertools

LIVE, EXPIRED, REVOKED, REPLACED, POLICY_REMOVED, TAKEN_BACK = range(6)  # end_reason of the store; 0 while it runs
PROTOCOLS = {"TCP": ("TCP",), "UDP": ("UDP",), "*": ("TCP", "UDP")}


def networks(texts):
    return frozenset(ipaddress.ip_network(text) for text in texts)


@dataclasses.dataclass
class Rule:
    protocol: str
    sources: frozenset  # None: any
    longest: int  # seconds
    ending: str
    standing: frozenset

    def covers(self, sources):
        return self.sources is None or all(any(each.version == own.version and each.subnet_of(own) for own in self.sources)
                                           for each in sources)


@dataclasses.dataclass
class Policy:
    mode: str
    rules: dict  # (machine, port): Rule


@dataclasses.dataclass
class Grant:
    serial: int
    person: str
    policy: str
    machine: str
    port: int
    protocol: str
    sources: frozenset
    ending: str
    start: int  # ns, UTC
    end: int
    reason: int = LIVE
    decided: int = 0  # when its end was decided, if it was

    def runs(self, now):
        return self.reason == LIVE and now < self.end

    def finish(self, reason, now):
        if self.reason == LIVE:
            self.reason, self.decided = reason, now

    def reasons(self, now):
        """What may be recorded of its end. What was over when it was ended may have been noticed to be over before."""
        over = {EXPIRED} if self.end <= (now if self.reason == LIVE else self.decided) else set()
        return over | {self.reason} if self.reason != LIVE or not over else over


class Model:
    def __init__(self):
        self.machines = {}  # name: set of addresses
        self.policies = {}
        self.grants = {}

    # ---- what may be asked

    def fitting(self, asked):
        """Policies that have rules for each (machine, port, …)."""
        return [name for name, policy in self.policies.items() if all(each[:2] in policy.rules for each in asked)]

    def may_open(self, asked):
        """The one policy under which all of these (machine, port, sources, seconds) can be opened, or None."""
        fitting = self.fitting(asked)
        if len(fitting) != 1:
            return None
        for machine, port, sources, seconds in asked:
            rule = self.policies[fitting[0]].rules[machine, port]
            families = {each.version for each in self.machines[machine]}
            if seconds > rule.longest or not rule.covers(sources) or not {each.version for each in sources} <= families:
                return None
        return fitting[0]

    # ---- what is decided

    # (`now` is when the answer came)

    def opened(self, new, now, taken_back=False):
        """These grants of one request, in the order of their serials."""
        for grant in new:
            if taken_back:
                grant.finish(TAKEN_BACK, now)
            else:
                for other in self.twins(grant):
                    other.finish(REPLACED, now)
            self.grants[grant.serial] = grant

    def twins(self, grant):
        return [other for other in self.grants.values()
                if other.reason == LIVE and (other.person, other.machine, other.port, other.sources) ==
                (grant.person, grant.machine, grant.port, grant.sources) and grant.protocol in ("*", other.protocol)]

    def revoked(self, serial, now):
        self.grants[serial].finish(REVOKED, now)

    def put_policy(self, name, policy, now):
        self.policies[name] = policy
        for grant in self.grants.values():
            if grant.policy != name or grant.reason != LIVE:
                continue
            rule = policy.rules.get((grant.machine, grant.port))
            fits = rule and rule.protocol in ("*", grant.protocol) and grant.end - grant.start <= rule.longest * 10**9
            if fits and rule.covers(grant.sources):
                grant.ending = rule.ending
            else:
                grant.finish(POLICY_REMOVED, now)

    def remove_policy(self, name, now):
        if self.policies.pop(name, None):
            for grant in self.grants.values():
                if grant.policy == name:
                    grant.finish(POLICY_REMOVED, now)

    # ---- what follows

    def running(self, now):
        return {serial for serial, grant in self.grants.items() if grant.runs(now)}

    def services(self):
        """(address, port, protocol): whether it is enforced"""
        found = {}
        for policy in self.policies.values():
            for (machine, port), rule in policy.rules.items():
                for place in itertools.product(self.machines[machine], [port], PROTOCOLS[rule.protocol]):
                    found[place] = found.get(place, False) or policy.mode == "enforce"
        return found

    def claims(self, now):
        """Who has a claim to come in where: (address, port, protocol, source): [(end, grant or rule)]; a rule's end is
        infinite."""
        found = {}
        guarded = self.services()

        def claim(machine, port, protocol, sources, end, by):
            for place in itertools.product(self.machines[machine], [port], PROTOCOLS[protocol]):
                for source in sources:
                    if source.version == place[0].version and place in guarded:
                        found.setdefault(place + (source,), []).append((end, by))

        for serial in self.running(now):
            grant = self.grants[serial]
            claim(grant.machine, grant.port, grant.protocol, grant.sources, grant.end, serial)
        for name, policy in self.policies.items():
            for (machine, port), rule in policy.rules.items():
                claim(machine, port, rule.protocol, rule.standing, float("inf"), (name, machine, port))
        return found

    def verdict(self, source, destination, port, protocol, begun, ended):
        """What becomes of a packet that was sent between these times: pass, drop, or None if that changed meanwhile."""
        enforced = self.services().get((destination, port, protocol), False)
        if not enforced:
            return "pass"
        ends = [end for key, claims in self.claims(begun).items() for end, by in claims
                if key[:3] == (destination, port, protocol) and source in key[3]]
        if not ends:
            return "drop"
        return "pass" if max(ends) > ended else None
