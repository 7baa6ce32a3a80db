# SPDX-License-Identifier: Apache-2.0
"""Drives a real posternd with Microsoft's own Python client (Debian's python3-azure), unmodified: each of the eight
operations, the errors as the client sees them, and pages. Ends with 0 if all is as docs/azure-api.md says.

    azure_drive.py ENDPOINT SUBSCRIPTION MACHINE_ID SOURCE    with ADMIN_TOKEN, REQUESTER_TOKEN, READER_TOKEN
"""
import datetime
import os
import sys

from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.mgmt.security import SecurityCenter

ENDPOINT, SUBSCRIPTION, MACHINE, SOURCE = sys.argv[1:]
GROUP, PLACE, NAME = "default", "northeurope", "sdk-python"
# The client refuses to send a token over http, which on loopback is our business.
EACH = {} if ENDPOINT.startswith("https://") else {"enforce_https": False}
steps = 0


class Token:
    def __init__(self, secret):
        self.secret = secret

    def get_token(self, *scopes, **kwargs):
        return AccessToken(self.secret, int(datetime.datetime.now().timestamp()) + 3600)


def policies(secret):
    client = SecurityCenter(Token(secret), SUBSCRIPTION, api_version="2020-01-01", base_url=ENDPOINT)
    return client.jit_network_access_policies


def ok(sentence, truth, seen=None):
    global steps
    if not truth:
        sys.exit(f"not ok: {sentence}: {seen!r}")
    steps += 1
    print("ok:", sentence)


def fails(sentence, kind, status, code, call, *args):
    try:
        call(*args, **EACH)
    except kind as error:
        ok(sentence, (error.status_code, error.error.code) == (status, code), error)
        return error
    sys.exit(f"not ok: {sentence}: no error")


def rule(**more):
    return {"number": 22, "protocol": "TCP", "allowedSourceAddressPrefix": "*", "maxRequestAccessDuration": "PT3H", **more}


def policy(*ports):
    return {"kind": "Basic", "properties": {"virtualMachines": [{"id": MACHINE, "ports": list(ports)}]}}


def ask(minutes=30, **port):
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
    port = {"number": 22, "endTimeUtc": end.isoformat(), "allowedSourceAddressPrefix": SOURCE, **port}
    return {"virtualMachines": [{"id": MACHINE, "ports": [port]}], "justification": "disk full"}


admin, requester, reader = (policies(os.environ[name + "_TOKEN"]) for name in ("ADMIN", "REQUESTER", "READER"))

made = admin.create_or_update(GROUP, PLACE, NAME, policy(rule()), **EACH)
ok("create_or_update makes a policy and gives it back", (made.name, made.kind, made.location, made.provisioning_state, made.requests) == (NAME, "Basic", PLACE, "Succeeded", []), made)
ok("with its machine and rule", made.virtual_machines[0].ports[0].max_request_access_duration == "PT3H", made)
got = reader.get(GROUP.upper(), PLACE.upper(), NAME.upper(), **EACH)
ok("get finds it, in any letter case", (got.name, got.virtual_machines[0].id) == (NAME, MACHINE), got)
for sentence, found in (
    ("list has it", reader.list(**EACH)),
    ("list_by_region has it", reader.list_by_region(PLACE, **EACH)),
    ("list_by_resource_group has it", reader.list_by_resource_group(GROUP, **EACH)),
    ("list_by_resource_group_and_region has it", reader.list_by_resource_group_and_region(GROUP, PLACE, **EACH)),
):
    ok(sentence, NAME in [each.name for each in found])
ok("another region has none", list(reader.list_by_region("elsewhere", **EACH)) == [])

asked = requester.initiate(GROUP, PLACE, NAME, ask(), **EACH)
port = asked.virtual_machines[0].ports[0]
ok("initiate opens a port", (port.number, port.allowed_source_address_prefix, port.status, port.status_reason) == (22, SOURCE, "Initiating", "UserRequested"), port)
ok("for whom and why", (asked.requestor, asked.justification) == ("asker", "disk full"), asked)
ok("with times the client can read", asked.start_time_utc.tzinfo is not None and port.end_time_utc > asked.start_time_utc, asked)
got = admin.get(GROUP, PLACE, NAME, **EACH)
ok("get then shows it as Initiated", [each.virtual_machines[0].ports[0].status for each in got.requests] == ["Initiated"], got)
got.virtual_machines[0].ports[0].max_request_access_duration = "PT2H"
put = admin.create_or_update(GROUP, PLACE, NAME, got, **EACH)
ok("a policy that is read, changed and written back keeps its requests", len(put.requests) == 1 and put.requests[0].requestor == "asker", put)

fails("errors: no such policy", ResourceNotFoundError, 404, "PolicyNotFound", reader.get, GROUP, PLACE, "absent")
error = fails("errors: a policy against the rules", HttpResponseError, 400, "InvalidPolicyInput", admin.create_or_update, GROUP, PLACE, NAME,
              policy(rule(number=70000, protocol="SCTP")))
ok("each fault has its place", sorted(each.target for each in error.error.details) ==
   [f"properties.virtualMachines[0].ports[0].{each}" for each in ("number", "protocol")], error.error.details)
fails("errors: outside the policy", HttpResponseError, 400, "AccessRequestNotSubsetOfPolicy", requester.initiate, GROUP, PLACE, NAME, ask(number=5985))
fails("errors: a malformed request", HttpResponseError, 400, "InvalidInitiateInput", requester.initiate, GROUP, PLACE, NAME, ask(minutes=-5))
error = fails("errors: no right", HttpResponseError, 403, "AuthorizationFailed", reader.initiate, GROUP, PLACE, NAME, ask())
ok("and who lacks which", "'watcher'" in error.error.message and "initiate/action" in error.error.message, error)
fails("errors: a token that is none", ClientAuthenticationError, 401, "InvalidAuthenticationToken", policies("nonsense").get, GROUP, PLACE, NAME)

names = [f"page-{number}" for number in range(101)]
for name in names:
    admin.create_or_update(GROUP, PLACE, name, policy(rule()), **EACH)
found = [each.name for each in reader.list_by_region(PLACE, **EACH)]
ok("a list of 102 policies comes in pages, each policy once", sorted(found) == sorted([*names, NAME]), len(found))
pages = [len(list(page)) for page in reader.list_by_resource_group(GROUP, **EACH).by_page()]
ok("of 100", pages[0] == 100 and len(pages) == 2, pages)
for name in names:
    admin.delete(GROUP, PLACE, name, **EACH)
admin.delete(GROUP, PLACE, NAME, **EACH)
fails("delete takes it away", ResourceNotFoundError, 404, "PolicyNotFound", reader.get, GROUP, PLACE, NAME)
admin.delete(GROUP, PLACE, NAME, **EACH)
ok("and is content if there is none", True)
print(f"{steps} steps passed over {ENDPOINT}")
