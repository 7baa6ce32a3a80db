# SPDX-License-Identifier: Apache-2.0
"""Calls every operation of /v1/openapi.json on a running posternd and holds each answer (status, content type, body) against that
document. What it does not say is a fault: a member, a status, an operation.

    openapi_drive.py PORT SEEN away     while there is no gate
    openapi_drive.py PORT SEEN there    with one: each operation's success, then every refusal
    openapi_drive.py PORT SEEN whole    whether all that the document promises was seen by now

SEEN is the file that keeps what was seen from one run to the next. ADMIN_TOKEN and NOBODY_TOKEN (a role that covers nothing) come
by the environment. Whoever adds an operation: describe it in controlplane/http/openapi.json, and call it in `successes` below."""
import http.client
import json
import os
import sys
import time

import jsonschema

PORT, SEEN_FILE, PHASE = int(sys.argv[1]), sys.argv[2], sys.argv[3]
ADMIN, NOBODY = os.environ["ADMIN_TOKEN"], os.environ["NOBODY_TOKEN"]
UNSEEN = {"429", "500", "503"}  # not to be had of each at will; 503 where the gate is away is seen below
SEEN = json.load(open(SEEN_FILE)) if os.path.exists(SEEN_FILE) else {}
FITTING = {"/v1/grants/{serial}/extend": {"duration": "PT5M"}}  # bodies that are looked at before what they are about
FAULTS = []
CALLS = 0


def fault(sentence):
    FAULTS.append(sentence)
    print("not ok:", sentence)


def exchange(method, target, token=ADMIN, headers=None, body=None):
    """The bare HTTP exchange: status, headers, text."""
    global CALLS
    CALLS += 1
    sent = {"Host": f"127.0.0.1:{PORT}"}
    if token:
        sent["Authorization"] = "Bearer " + token
    if body is not None:
        sent["Content-Type"] = "application/json"
    sent.update(headers or {})
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    try:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in sent.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        endless = method != "HEAD" and answer.headers.get("Content-Type") == "text/event-stream"
        return answer.status, answer.headers, (answer.read1(65536) if endless else answer.read()).decode()
    finally:
        connection.close()


status, _, text = exchange("GET", "/v1/openapi.json", token=None)
assert status == 200, text
DOCUMENT = json.loads(text)
OPERATIONS = {(method.upper(), path): operation
              for path, item in DOCUMENT["paths"].items() for method, operation in item.items()}


def resolved(node):
    while "$ref" in node:
        place = DOCUMENT
        for part in node["$ref"].split("/")[1:]:
            place = place[part]
        node = place
    return node


def conforms(value, schema, where):
    whole = dict(schema, components=DOCUMENT["components"])  # so that #/components/… leads somewhere
    for error in jsonschema.Draft202012Validator(whole).iter_errors(value):
        inner = jsonschema.exceptions.best_match([error])
        fault(f"{where}: {'.'.join(map(str, inner.absolute_path)) or 'the body'}: {inner.message[:300]}")


def check(method, path, status, headers, text, where):
    """An answer against what the document says of this operation."""
    said = OPERATIONS[method, path]["responses"].get(str(status))
    if said is None:
        return fault(f"{where}: status {status} is not in openapi.json (body: {text[:200]})")
    SEEN.setdefault(f"{method} {path}", {})[str(status)] = True
    content = resolved(said).get("content")
    kind = headers.get("Content-Type")
    if headers.get("x-ms-request-id") is None:
        fault(f"{where}: no x-ms-request-id")
    if content is None:
        return fault(f"{where}: a body where openapi.json has none: {text[:200]}") if text else None
    if kind not in content:
        return fault(f"{where}: content type {kind}, openapi.json has {', '.join(content)}")
    value = json.loads(text) if "json" in kind else text
    conforms(value, content[kind]["schema"], where)
    if kind == "application/problem+json" and value["status"] != status:
        fault(f"{where}: the problem's status is {value['status']}, the answer's {status}")
    return value


def call(want, method, path, values=None, query="", body=None, raw=None, token=ADMIN, headers=None):
    """One call whose answer must have the status `want` (None: whichever), and be as described. Returns its JSON."""
    target = path
    for name, value in (values or {}).items():
        target = target.replace("{" + name + "}", str(value))
    data = raw if raw is not None else None if body is None else json.dumps(body).encode()
    got, answered, text = exchange(method, target + query, token, headers, data)
    where = f"{method} {path} → {got}"
    if want is not None and got != want:
        fault(f"{method} {target}{query}: status {got} instead of {want}: {text[:300]}")
    if body is not None and got < 300:
        content = OPERATIONS[method, path]["requestBody"]["content"]["application/json"]
        conforms(body, content["schema"], where + ", what was sent")
    return check(method, path, got, answered, text, where)


def away():
    machine = {"addresses": ["192.0.2.20"]}
    call(200, "GET", "/healthz", token=None)
    call(503, "GET", "/readyz", token=None)
    call(200, "GET", "/metrics")
    call(200, "GET", "/v1/status")
    call(200, "GET", "/v1/machines")
    call(403, "GET", "/v1/breakglass", token=NOBODY)
    call(503, "GET", "/v1/gate/services")
    call(503, "GET", "/v1/gate/explain", query="?source=198.51.100.10&destination=192.0.2.10&port=22")
    call(503, "PUT", "/v1/machines/{name}", {"name": "other"}, body=machine)
    call(503, "POST", "/v1/machines", body={"machines": [dict(machine, name="other")]})


def successes():
    """Each operation once as it should be. The lab has machine vm1 with port 22 guarded, a grant that was used, a drop."""
    call(200, "GET", "/healthz", token=None)
    call(200, "GET", "/readyz", token=None)
    call(200, "GET", "/v1/openapi.json", token=None)
    call(200, "GET", "/metrics")
    call(200, "GET", "/v1/status")

    other = {"addresses": ["192.0.2.20", "2001:db8:2::20"], "os": "linux",
             "forwards": [{"address": "198.51.100.1", "port": 2222, "protocol": "TCP", "machinePort": 22}]}
    call(200, "PUT", "/v1/machines/{name}", {"name": "other"}, body=other)
    call(200, "POST", "/v1/machines", body={"machines": [dict(other, name="other"), {"name": "bare", "addresses": []}]})
    call(409, "PUT", "/v1/machines/{name}", {"name": "bare"}, body={"addresses": ["192.0.2.20"]})
    call(409, "POST", "/v1/machines", body={"machines": [{"name": "bare", "addresses": ["192.0.2.20"]}]})
    call(200, "GET", "/v1/machines/{name}", {"name": "vm1"})
    call(200, "GET", "/v1/machines")
    call(200, "GET", "/v1/machines", query="?state=notConfigured&resourceGroup=default&subscription=00000000-0000-0000-0000-000000000000")
    call(200, "PUT", "/v1/machines/{name}", {"name": "bare"}, body={"addresses": [], "excluded": {"reason": "the document is checked"}})
    call(200, "GET", "/v1/machines/{name}", {"name": "bare"})
    call(200, "POST", "/v1/machines/enable", body={"machines": ["other"]})
    call(200, "GET", "/v1/machines/{name}/connection", {"name": "other"})
    call(200, "GET", "/v1/machines/{name}/connection", {"name": "vm1"})
    call(200, "PUT", "/v1/machines/{name}", {"name": "twin"}, body={"addresses": ["198.51.100.1"]})
    call(409, "POST", "/v1/machines/enable", body={"machines": ["twin"], "ports": [{"number": 2222, "protocol": "TCP", "maxDuration": "PT1H"}]})
    call(200, "POST", "/v1/machines/disable", body={"machines": ["other"]})
    call(204, "DELETE", "/v1/machines/{name}", {"name": "twin"})
    call(200, "GET", "/v1/exposure")
    call(200, "PUT", "/v1/switches/{name}", {"name": "global"}, body={"enforcing": False, "reason": "the document is checked"})
    call(200, "GET", "/v1/switches")
    call(200, "PUT", "/v1/switches/{name}", {"name": "global"}, body={"enforcing": True})
    call(204, "DELETE", "/v1/machines/{name}", {"name": "bare"})
    call(409, "DELETE", "/v1/machines/{name}", {"name": "vm1"})

    def asked(source):
        return {"machines": [{"machine": "vm1", "ports": [{"number": 22, "duration": "PT10M", "sources": [source]}]}],
                "justification": "the document is checked"}
    grant = call(201, "POST", "/v1/requests", body=asked("198.51.100.12"))["grants"][0]["serial"]
    second = call(201, "POST", "/v1/requests", body=asked("198.51.100.13"))["grants"][0]["serial"]
    call(404, "POST", "/v1/requests", body={"machines": [{"machine": "bare", "ports": [
        {"number": 22, "duration": "PT5M", "sources": ["198.51.100.12"]}]}]})
    call(200, "GET", "/v1/gate/explain", query="?source=198.51.100.12&destination=192.0.2.10&port=22")
    call(200, "GET", "/v1/gate/explain", query="?source=198.51.100.99&destination=192.0.2.10&port=22&protocol=UDP&at=2030-01-01T00:00:00Z")
    call(200, "POST", "/v1/grants/{serial}/extend", {"serial": grant}, body={"duration": "PT20M"})
    call(200, "POST", "/v1/grants/{serial}/revoke", {"serial": grant})
    call(409, "POST", "/v1/grants/{serial}/extend", {"serial": grant}, body={"endTimeUtc": "2100-01-01T00:00:00Z"})
    call(200, "POST", "/v1/grants/{serial}/revoke", {"serial": second}, body={"ending": "cut"})
    waiting = {"machines": [dict(asked("198.51.100.14")["machines"][0], machine="asked")]}
    approver = call(201, "POST", "/v1/tokens", body={"principal": "paul", "role": "approver"})["secret"]
    first, other = (call(201, "POST", "/v1/requests", body=waiting)["id"] for _ in range(2))
    call(200, "GET", "/v1/requests", query="?state=pending")
    call(400, "POST", "/v1/requests/{id}/approve", {"id": first}, raw=b'{"duration": "PT1H"}', token=approver)
    call(200, "POST", "/v1/requests/{id}/approve", {"id": first}, token=approver)
    call(409, "POST", "/v1/requests/{id}/approve", {"id": first}, token=approver)
    call(200, "POST", "/v1/requests/{id}/deny", {"id": other}, body={"reason": "not tonight"}, token=approver)
    call(409, "POST", "/v1/requests/{id}/deny", {"id": other}, token=approver)
    call(200, "GET", "/v1/requests/{id}", {"id": other})
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    call(201, "POST", "/v1/requests", body=dict(asked("198.51.100.15"), startTimeUtc=soon))
    call(200, "GET", "/v1/requests")
    call(200, "GET", "/v1/grants")
    call(200, "GET", "/v1/grants", query="?all=true&machine=vm1")
    call(200, "GET", "/v1/policies")
    call(200, "GET", "/v1/gate/services")
    kinds = {event["kind"] for event in call(200, "GET", "/v1/gate/events", query="?limit=1000")["events"]}
    if not {"drop", "flow.opened", "grant.opened", "grant.ended"} <= kinds:
        fault(f"GET /v1/gate/events: only {sorted(kinds)} were there to be looked at")

    call(200, "GET", "/v1/events/stream")
    call(200, "GET", "/v1/events/stream", query="?after=1")
    call(200, "GET", "/v1/events/stream", headers={"Last-Event-ID": "1.1"})

    token = call(201, "POST", "/v1/tokens", body={"principal": "robot", "role": "reader", "scope": "/", "duration": "PT1H"})
    call(200, "GET", "/v1/tokens")
    call(204, "DELETE", "/v1/tokens/{id}", {"id": token["id"]})
    call(201, "POST", "/v1/tokens", body={"principal": "robot", "assignments": [{"role": "reader"}, {"role": "auditor", "scope": "/"}]})
    call(200, "GET", "/v1/roles")

    arming = call(201, "POST", "/v1/breakglass", body={"principal": "nobody", "duration": "P1D", "maxGrantDuration": "PT2H", "reason": "on call"})
    broken = call(201, "POST", "/v1/requests", body=dict(asked("198.51.100.14"), breakGlass=True), token=NOBODY)["id"]
    call(200, "GET", "/v1/breakglass")
    call(200, "GET", "/v1/grants")
    call(200, "POST", "/v1/breakglass/uses/{request}/review", {"request": broken}, body={"note": "as it should be"})
    call(409, "POST", "/v1/breakglass/uses/{request}/review", {"request": broken})
    call(200, "DELETE", "/v1/breakglass/{id}", {"id": arming["id"]}, query="?cut=true")
    call(200, "GET", "/v1/audit", query="?limit=1000")
    call(200, "GET", "/v1/audit", query="?machine=vm1&principal=root&operation=machine.put&from=2020-01-01T00:00:00Z&before=9999")
    call(200, "GET", "/v1/audit", query="?format=csv")
    call(200, "GET", "/v1/audit", query="?format=jsonl&limit=1")
    patience = time.time() + 60  # flows are written about once a second
    while not call(200, "GET", "/v1/audit/flows")["flows"] and time.time() < patience:
        time.sleep(0.1)
    if not call(200, "GET", "/v1/audit/flows")["flows"]:
        fault("GET /v1/audit/flows: no connection was there to be looked at")
    call(200, "GET", "/v1/audit/flows", query="?format=csv&machine=vm1&open=false")
    call(200, "GET", "/v1/audit/flows", query="?format=jsonl&limit=1")
    if not call(200, "GET", "/v1/audit/review")["uses"]:
        fault("GET /v1/audit/review: nobody did anything")
    call(200, "GET", "/v1/audit/review", query="?format=csv&from=2020-01-01T00:00:00Z")
    call(200, "GET", "/v1/audit/verify")
    call(200, "POST", "/v1/audit/verify", body={"heads": []})


def refusals():
    """Whatever can be refused of any operation, made from the document alone."""
    for (method, path), operation in OPERATIONS.items():
        values = {parameter["name"]: "999999" for parameter in map(resolved, operation.get("parameters", [])) if parameter["in"] == "path"}
        documented, takes_body = operation["responses"], "requestBody" in operation

        def refused(want, **how):
            call(want, method, path, values, **how)

        refused(403, headers={"Host": "evil.example"})
        refused(403, headers={"Origin": "http://evil.example"})
        refused(431, headers={"X-Flood": "x" * 40000})
        if operation.get("security") != []:
            refused(401, token=None)
            refused(401, token="no-such-token")
            refused(None, token=NOBODY, body={} if takes_body else None)
        if takes_body:
            refused(413, raw=b"{" + b" " * (1 << 20) + b"}")
            for raw in (b"{", b"[]", b'{"no such member": 1}', b"[" * 100):
                refused(400, raw=raw)
        queries = [p["name"] for p in map(resolved, operation.get("parameters", [])) if p["in"] == "query"]
        if queries:
            refused(400, query="?no-such-parameter=1")
        if values and "404" in documented:
            refused(404, body=FITTING.get(path))
        if method == "GET":
            target = path.replace("{name}", "vm1")
            got, answered, text = exchange("HEAD", target)
            if text or str(got) not in documented or answered.get("Content-Type") not in [t for r in documented.values() for t in resolved(r).get("content", {})]:
                fault(f"HEAD {path}: {got}, {answered.get('Content-Type')}, {len(text)} bytes of body")
        if operation.get("security") != []:
            target = path
            for name, value in values.items():
                target = target.replace("{" + name + "}", value)
            got, answered, text = exchange("PATCH", target)
            if got != 405 or method not in answered.get("Allow", ""):
                fault(f"PATCH {path}: {got} with Allow: {answered.get('Allow')}; {method} is described")
            conforms(json.loads(text), {"$ref": "#/components/schemas/Problem"}, f"PATCH {path}")


def whole():
    """Every operation, every status that can be asked for."""
    for (method, path), operation in OPERATIONS.items():
        seen = SEEN.get(f"{method} {path}", {})
        for status in operation["responses"]:
            if status not in seen and status not in UNSEEN:
                fault(f"{method} {path}: status {status} stands in openapi.json and was never seen; call it in tests/e2e/openapi_drive.py, or take it out")
    total = sum(len(statuses) for statuses in SEEN.values())
    print(f"{len(OPERATIONS)} operations, {total} kinds of answers")


if PHASE == "away":
    away()
elif PHASE == "there":
    successes()
    refusals()
else:
    whole()
json.dump(SEEN, open(SEEN_FILE, "w"))
print(f"{CALLS} calls, {len(FAULTS)} faults")
sys.exit(1 if FAULTS else 0)
