# SPDX-License-Identifier: Apache-2.0
"""The parts of bench/api_load that are no shell: furnishing a daemon and driving wrk, SQLite's own rate, the summary."""
import http.client
import json
import os
import platform
import socket
import sqlite3
import statistics
import subprocess
import sys
import time

GROUP = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/default"
POLICY = GROUP + "/providers/Microsoft.Security/locations/local/jitNetworkAccessPolicies/default"
VERSION = "?api-version=2020-01-01"
MACHINES = 16
GRANTS_READ = 100  # that are live while reads are measured


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def call(api, method, target, body=None):
    api.request(method, target, body and json.dumps(body), {"Content-Type": "application/json"})
    answer = api.getresponse()
    text = answer.read()
    if answer.status >= 300:
        sys.exit("%s %s: %d %s" % (method, target, answer.status, text.decode()))
    return json.loads(text)


def machine_id(number):
    return "%s/providers/Microsoft.Compute/virtualMachines/vm%d" % (GROUP, number)


def furnish(api):
    call(api, "POST", "/v1/machines", {"machines": [
        {"name": "vm%d" % n, "addresses": ["192.0.2.%d" % (100 + n)]} for n in range(MACHINES)]})
    call(api, "PUT", POLICY + VERSION, {"kind": "Basic", "properties": {"virtualMachines": [
        {"id": machine_id(n), "ports": [{"number": 22, "protocol": "TCP", "allowedSourceAddressPrefix": "*",
                                         "maxRequestAccessDuration": "PT3H"}]} for n in range(MACHINES)]}})
    for n in range(GRANTS_READ):
        call(api, "POST", POLICY + "/initiate" + VERSION, {"virtualMachines": [{"id": machine_id(n % MACHINES), "ports": [
            {"number": 22, "duration": "PT30M", "allowedSourceAddressPrefix": "172.16.0.%d" % n}]}]})
    return call(api, "POST", "/v1/tokens", {"principal": "load", "role": "admin"})["secret"]


def wrk(clients, seconds, *arguments):
    run = subprocess.run(["wrk", "-t1", "-c%d" % clients, "-d%ds" % seconds, "-s",
                          os.path.join(os.path.dirname(__file__), "api_load.lua"), "http://127.0.0.1:7822", "--", *arguments],
                         capture_output=True, text=True, check=True)
    line = [line for line in run.stdout.splitlines() if line.startswith("JSON")][0]
    measured = json.loads(line[4:])
    if measured["failed"]:
        sys.exit("wrk %s: %d requests failed\n%s" % (" ".join(arguments), measured["failed"], run.stdout))
    measured["rate"] = measured["requests"] / measured["seconds"]
    return measured


def cpu_seconds(pid):
    with open("/proc/%s/stat" % pid) as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def daemon(path, seconds, build, pid):
    token = furnish(UnixConnection(path))
    first = 0

    def tell(what, clients, *arguments):
        before = cpu_seconds(pid)
        measured = wrk(clients, seconds, *arguments)
        measured["cpu_us"] = (cpu_seconds(pid) - before) * 1e6 / measured["requests"]
        print(json.dumps({"what": what, "clients": clients, "build": build, **measured}), flush=True)
        return measured

    for what, target in (("GET /v1/machines", "/v1/machines"), ("GET /v1/grants", "/v1/grants"),
                         ("GET policy", POLICY + VERSION)):
        tell(what, 8, "read", token, target)
    for clients in (1, 8, 64):
        first += tell("initiate", clients, "initiate", token, POLICY + "/initiate" + VERSION, str(first))["requests"] + 100


def sqlite_commits(folder, seconds):
    path = os.path.join(folder, "raw.db")
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute("CREATE TABLE IF NOT EXISTS rows(id INTEGER PRIMARY KEY, text TEXT)")
    took = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        database.execute("INSERT INTO rows(text) VALUES (?)", ("x" * 300,))
        took.append((time.perf_counter() - begin) * 1e3)
    took.sort()
    print(json.dumps({"what": "SQLite commit of one row", "clients": 1, "build": "", "rate": len(took) * 1e3 / sum(took),
                      "p50": took[len(took) // 2], "p99": took[int(len(took) * 0.99)], "max": took[-1], "cpu_us": 0}))


def processor():
    with open("/proc/cpuinfo") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return "%d x %s" % (os.cpu_count(), names[0] if names else platform.machine())


def summary(results, path, command):
    with open(results) as file:
        lines = [json.loads(line) for line in file]
    kinds = list(dict.fromkeys((line["build"], line["what"], line["clients"]) for line in lines))
    table = []
    for build, what, clients in kinds:
        own = [line for line in lines if (line["build"], line["what"], line["clients"]) == (build, what, clients)]
        row = {key: statistics.median(line[key] for line in own) for key in ("rate", "p50", "p99", "max", "cpu_us")}
        rates = [line["rate"] for line in own]
        table.append({"build": build, "what": what, "clients": clients, "rounds": len(own), **row,
                      "rate_least": min(rates), "rate_most": max(rates)})
    commits = table[0]["rate"]
    about = {"machine": processor(), "kernel": platform.release(), "command": command,
             "sqlite": sqlite3.sqlite_version}
    print("%(machine)s, Linux %(kernel)s, SQLite %(sqlite)s; %(command)s" % about)
    print("medians of %d rounds; ms; CPU: of the daemon, for one request" % table[0]["rounds"])
    build_shown = None
    for row in table:
        if row["build"] != build_shown:
            build_shown = row["build"]
            print("\n%-26s %7s %9s %19s %8s %8s %8s %8s" % (os.path.relpath(build_shown) if build_shown else "", "clients", "a second",
                                                       "(least … most)", "/ commits", "p50", "p99", "CPU µs"))
        print("%-26s %7d %9.0f %19s %8.2f %8.2f %8.2f %8.0f" % (
            row["what"], row["clients"], row["rate"], "(%.0f … %.0f)" % (row["rate_least"], row["rate_most"]),
            row["rate"] / commits, row["p50"], row["p99"], row["cpu_us"]))
    with open(path, "w") as file:
        json.dump({**about, "measurements": table}, file, indent=1)


if sys.argv[1] == "sqlite":
    sqlite_commits(sys.argv[2], float(sys.argv[3]))
elif sys.argv[1] == "daemon":
    daemon(sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5])
else:
    summary(*sys.argv[2:5])
