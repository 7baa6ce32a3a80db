# SPDX-License-Identifier: Apache-2.0
"""Everything the soak compares, at a moment at which no grant is about to end."""
import ipaddress
import time

import model as m
from gate import Difference, nanoseconds, wait_for

QUIET = 0.5  # seconds in which no grant ends: the least time for one comparison
NEVER = 2**64 - 1


def differ(what, one, other, one_name, other_name):
    if one == other:
        return
    if isinstance(one, dict):
        keys = [key for key in set(one) | set(other) if one.get(key) != other.get(key)]
        one, other = ({key: each.get(key) for key in keys[:3]} for each in (one, other))
    elif isinstance(one, set):
        one, other = one - other, other - one
    raise Difference("%s: %s has %s, %s has %s" % (what, one_name, one, other_name, other))


class Comparison:
    def __init__(self, soak):
        self.daemon, self.rows, self.maps, self.model, self.expected = soak.daemon, soak.rows, soak.maps, soak.model, soak.expected

    def run(self):
        quiet = QUIET
        while True:
            wait_for("a moment at which no grant ends", lambda: self.quiet_until() > time.time_ns() + quiet * 10**9)
            until = self.quiet_until()
            wait_for("the list of running grants is %s" % sorted(self.model.running(time.time_ns())), self.listed_as_modelled)
            before = time.time()
            try:
                self.lists()
                self.store()
                self.gate()
                self.audit()
                return
            except Difference:
                if time.time_ns() < until:
                    raise
                quiet += time.time() - before  # a grant ended meanwhile: a slow host needs more of it

    def quiet_until(self):
        now = time.time_ns()
        return min([grant.end for serial, grant in self.model.grants.items() if grant.runs(now)], default=2**63)

    def listed_as_modelled(self):
        self.listed = {grant["serial"]: grant for grant in self.daemon.get("/v1/grants")["grants"]}
        return set(self.listed) == self.model.running(time.time_ns())

    # ---- the API, the database

    def lists(self):
        modelled = {serial: (grant.person, grant.policy, grant.machine, grant.port, grant.protocol, grant.sources, grant.ending,
                             grant.start, grant.end)
                    for serial, grant in self.model.grants.items() if grant.runs(time.time_ns())}
        answered = {serial: (grant["requestor"], grant["policy"].split("/")[-1], grant["machineName"], grant["port"], grant["protocol"],
                             m.networks(grant["sources"]), grant["ending"], nanoseconds(grant["startTimeUtc"]),
                             nanoseconds(grant["endTimeUtc"]))
                    for serial, grant in self.listed.items()}
        differ("running grants", modelled, answered, "the model", "the API")
        machines = {each["name"]: {ipaddress.ip_address(one.split("/")[0]) for one in each["addresses"]}
                    for each in self.daemon.get("/v1/machines")["machines"]}
        differ("machines", self.model.machines, machines, "the model", "the API")
        self.standing = {(rule["policy"].split("/")[-1], rule["machineName"], rule["port"]): rule
                         for rule in self.daemon.get("/v1/grants")["standing"]}
        modelled = {(name, *place): rule.standing for name, policy in self.model.policies.items()
                    for place, rule in policy.rules.items() if rule.standing}
        differ("standing rules", modelled, {key: m.networks(rule["sources"]) for key, rule in self.standing.items()}, "the model", "the API")

    def store(self):
        now = time.time_ns()
        rows = {row["serial"]: row for row in self.rows.select(
            "SELECT grants.*, requests.requestor FROM grants JOIN requests ON requests.id = request")}
        differ("grants", set(self.model.grants), set(rows), "the model", "the store")
        for serial, grant in self.model.grants.items():
            row = rows[serial]
            if row["end_reason"] not in grant.reasons(now) or (row["state"] == 0) != (row["end_reason"] == 0):
                raise Difference("grant %d ended for one of %s by the model, for %d in the store" %
                                 (serial, grant.reasons(now), row["end_reason"]))
            stored = (row["requestor"], row["machine_id"].split("/")[-1], row["port"], m.networks(row["sources"].split(",")),
                      row["start_ns"] // 100 * 100, row["end_ns"] // 100 * 100)
            differ("grant %d" % serial, (grant.person, grant.machine, grant.port, grant.sources, grant.start, grant.end), stored,
                   "the model", "the store")
        self.ended = {serial: row["end_reason"] for serial, row in rows.items() if row["state"]}

    # ---- the maps

    def gate(self):
        services = self.maps.services()
        differ("services", self.model.services(), {place: enforced for place, (_, enforced) in services.items()}, "the model", "the gate")
        places = {number: place for place, (number, _) in services.items()}
        if len(places) != len(services):
            raise Difference("two services have one number: %s" % services)
        entries = {places.get(number, (number,)) + (source,): value for (number, source), value in self.maps.entries().items()}
        claims = self.model.claims(time.time_ns())
        differ("entries", set(claims), set(entries), "the model", "the gate")
        records = self.maps.records()
        serials = set(self.listed) | {rule["serial"] for rule in self.standing.values()}
        differ("records", serials, set(records), "the model", "the gate")
        for key, wanted in claims.items():
            end, by = max((end, by if isinstance(by, int) else self.standing[by]["serial"]) for end, by in wanted)
            value = entries[key]
            if value["serial"] != by or value["slot"] != records[by][0]:
                raise Difference("%s admits by %s, the model by %d with record %s" % (key, value, by, records[by]))
            self.deadline(key, value["deadline_boot_ns"], end)
        for serial, (_, deadline, ending) in records.items():
            if serial in self.listed:
                self.deadline(serial, deadline, self.model.grants[serial].end)
                differ("grant %d" % serial, self.model.grants[serial].ending, ending, "the model", "its record")

    def deadline(self, what, boot_ns, end):
        wanted = NEVER if end == float("inf") else end - time.time_ns() + time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        if abs(boot_ns - wanted) > 3 * 10**7:  # the clocks run apart, and are not read at one moment
            raise Difference("%s: the gate's deadline is %.3f s later than the model's" % (what, (boot_ns - wanted) / 1e9))

    # ---- the audit

    def audit(self):
        verified = self.daemon.get("/v1/audit/verify")["verified"]
        records = self.rows.select("SELECT * FROM audit ORDER BY sequence")
        if verified != len(records):
            raise Difference("the audit has %d records, and %d are verified" % (len(records), verified))
        found, opened, expired = {}, [], []
        for record in records:
            serials = [int(each) for each in record["grants"].split(",") if each]
            if record["operation"] == "grant.expire":
                expired += serials
                continue
            found.setdefault(record["client_request_id"], []).append((record["operation"], record["outcome"]))
            if (record["operation"], record["outcome"]) == ("access.initiate", 0):
                opened += serials
        differ("records", {key: value for key, value in self.expected.items() if value}, found, "the model", "the audit")
        differ("openings", sorted(self.model.grants), sorted(opened), "the model", "the audit")
        differ("expiries", sorted(serial for serial, reason in self.ended.items() if reason == m.EXPIRED), sorted(expired),
               "the store", "the audit")
