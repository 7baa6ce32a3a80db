// SPDX-License-Identifier: Apache-2.0
// Drives a real posternd with Microsoft's own JavaScript client, unmodified: each of the eight operations, the errors as the
// client sees them, pages, and a repeat after a lost answer. Ends with 0 if all is as docs/azure-api.md says.
//
//     node drive.mjs all      ENDPOINT SUBSCRIPTION MACHINE_ID SOURCE    with ADMIN_TOKEN, REQUESTER_TOKEN, READER_TOKEN
//     node drive.mjs initiate ENDPOINT SUBSCRIPTION MACHINE_ID ADDRESS   asks for port 22 for two minutes, naming no source;
//                                                                        ADDRESS is the one that must have been filled in
import assert from "node:assert/strict";
import { SecurityCenter } from "@azure/arm-security";

const [verb, endpoint, subscription, machine, source] = process.argv.slice(2);
const group = "default", place = "west europe";
const secret = process.env;

function client(token, extra = {}) {
  const credential = { getToken: async () => ({ token, expiresOnTimestamp: Date.now() + 3600_000 }) };
  const plain = endpoint.startsWith("http://");
  const made = new SecurityCenter(credential, subscription, { endpoint, allowInsecureConnection: plain, ...extra });
  if (plain) {
    // The client refuses to send a token over http, which on loopback is our business.
    made.pipeline.removePolicy({ name: "bearerTokenAuthenticationPolicy" });
    made.pipeline.addPolicy(
      { name: "token", sendRequest: (request, next) => (request.headers.set("Authorization", `Bearer ${token}`), next(request)) },
      { phase: "Sign" });
  }
  return made;
}

const policies = (token) => client(token).jitNetworkAccessPolicies;
const rule = (more = {}) => ({ number: 22, protocol: "TCP", allowedSourceAddressPrefix: "*", maxRequestAccessDuration: "PT3H", ...more });
const policy = (...ports) => ({ kind: "Basic", virtualMachines: [{ id: machine, ports }] });
const ask = (port) => ({ virtualMachines: [{ id: machine, ports: [port] }], justification: "disk full" });
const soon = (minutes) => new Date(Date.now() + minutes * 60_000);

let done = 0;
async function step(sentence, act) {
  try {
    await act();
  } catch (error) {
    console.log(`not ok: ${sentence}`);
    throw error;
  }
  done += 1;
  console.log(`ok: ${sentence}`);
}

// As the client throws it: status, code and every fault with its place.
async function fails(promise, status, code) {
  const error = await promise.then(() => assert.fail(`no error, ${code} was expected`), (thrown) => thrown);
  assert.equal(error.statusCode, status, error.message);
  assert.equal(error.code, code, error.message);
  assert.ok(error.message.length > 20, error.message);
  return error;
}

async function names(iterator) {
  const found = [];
  for await (const each of iterator) found.push(each.name);
  return found;
}

async function operations() {
  const admin = policies(secret.ADMIN_TOKEN), requester = policies(secret.REQUESTER_TOKEN), reader = policies(secret.READER_TOKEN);
  const name = "sdk-js";

  await step("createOrUpdate makes a policy and gives it back", async () => {
    const made = await admin.createOrUpdate(group, place, name, policy(rule(), rule({ number: 3389, protocol: "*" })));
    assert.equal(made.name, name);
    assert.equal(made.type, "Microsoft.Security/locations/jitNetworkAccessPolicies");
    assert.equal(made.location, place);
    assert.equal(made.kind, "Basic");
    assert.equal(made.provisioningState, "Succeeded");
    assert.deepEqual(made.requests, []);
    assert.equal(made.virtualMachines[0].ports[0].maxRequestAccessDuration, "PT3H");
    assert.equal(made.virtualMachines[0].ports[1].protocol, "*");
  });
  await step("get finds it, in any letter case", async () => {
    const got = await reader.get(group.toUpperCase(), "West Europe", name.toUpperCase());
    assert.equal(got.name, name);
    assert.equal(got.virtualMachines[0].id, machine);
  });
  await step("all four lists have it", async () => {
    assert.ok((await names(reader.list())).includes(name));
    assert.ok((await names(reader.listByRegion(place))).includes(name));
    assert.ok((await names(reader.listByResourceGroup(group))).includes(name));
    assert.ok((await names(reader.listByResourceGroupAndRegion(group, place))).includes(name));
    assert.deepEqual(await names(reader.listByRegion("elsewhere")), []);
  });
  await step("initiate opens a port, and says what it opened", async () => {
    const end = soon(30);
    const asked = await requester.initiate(group, place, name, ask({ number: 22, endTimeUtc: end, allowedSourceAddressPrefix: source }));
    assert.equal(asked.requestor, "asker");
    assert.equal(asked.justification, "disk full");
    assert.ok(asked.startTimeUtc instanceof Date);
    const port = asked.virtualMachines[0].ports[0];
    assert.equal(port.number, 22);
    assert.equal(port.allowedSourceAddressPrefix, source);
    assert.equal(port.endTimeUtc.getTime(), end.getTime());
    assert.equal(port.status, "Initiating");
    assert.equal(port.statusReason, "UserRequested");
  });
  await step("get then shows it as Initiated", async () => {
    const got = await reader.get(group, place, name);
    assert.equal(got.requests.length, 1);
    assert.equal(got.requests[0].virtualMachines[0].ports[0].status, "Initiated");
  });
  await step("a policy that is read, changed and written back keeps its requests", async () => {
    const got = await admin.get(group, place, name);
    got.virtualMachines[0].ports[1].maxRequestAccessDuration = "PT1H";
    got.requests[0].requestor = "mallory";
    const put = await admin.createOrUpdate(group, place, name, got);
    assert.equal(put.requests.length, 1);
    assert.equal(put.requests[0].requestor, "asker");
    assert.equal(put.requests[0].virtualMachines[0].ports[0].status, "Initiated");
    assert.equal(put.virtualMachines[0].ports[1].maxRequestAccessDuration, "PT1H");
  });
  await step("an answer that is lost on the way: the client repeats, one request is made", async () => {
    const lossy = client(secret.REQUESTER_TOKEN, { retryOptions: { retryDelayInMs: 100 } });
    let sent = 0;
    lossy.pipeline.addPolicy({
      name: "loses the first answer",
      sendRequest: async (request, next) => {
        const answer = await next(request);
        sent += 1;
        if (sent === 1) throw Object.assign(new Error("socket hang up"), { name: "RestError", code: "ECONNRESET" });
        return answer;
      },
    }, { afterPhase: "Retry" });
    await lossy.jitNetworkAccessPolicies.initiate(group, place, name, ask({ number: 3389, endTimeUtc: soon(10), allowedSourceAddressPrefix: source }));
    assert.equal(sent, 2);
    assert.equal((await reader.get(group, place, name)).requests.length, 2);
  });
  await step("a newer request of the same person takes the older one's place", async () => {
    await requester.initiate(group, place, name, ask({ number: 22, endTimeUtc: soon(60), allowedSourceAddressPrefix: source }));
    const ports = (await reader.get(group, place, name)).requests.flatMap((each) => each.virtualMachines[0].ports).filter((port) => port.number === 22);
    assert.deepEqual(ports.map((port) => [port.status, port.statusReason]), [["Revoked", "NewerRequestInitiated"], ["Initiated", "UserRequested"]]);
  });

  await step("errors: no such policy", async () => {
    await fails(reader.get(group, place, "absent"), 404, "PolicyNotFound");
    await fails(requester.initiate(group, place, "absent", ask({ number: 22, endTimeUtc: soon(5), allowedSourceAddressPrefix: source })), 404, "PolicyNotFound");
  });
  await step("errors: a policy against the rules, each fault with its place", async () => {
    const error = await fails(admin.createOrUpdate(group, place, name, policy(rule({ number: 70000, maxRequestAccessDuration: "P8D" }))), 400, "InvalidPolicyInput");
    const places = error.details.details.map((each) => each.target).sort();
    assert.deepEqual(places, ["maxRequestAccessDuration", "number"].map((each) => `properties.virtualMachines[0].ports[0].${each}`));
    assert.equal((await reader.get(group, place, name)).virtualMachines[0].ports[0].number, 22);
  });
  await step("errors: a request outside the policy", async () => {
    const error = await fails(requester.initiate(group, place, name, ask({ number: 5985, endTimeUtc: soon(5), allowedSourceAddressPrefix: source })), 400, "AccessRequestNotSubsetOfPolicy");
    assert.match(error.message, /not a subset of policy/);
    await fails(requester.initiate(group, place, name, ask({ number: 22, endTimeUtc: soon(600), allowedSourceAddressPrefix: source })), 400, "AccessRequestNotSubsetOfPolicy");
  });
  await step("errors: a request that is malformed", async () => {
    await fails(requester.initiate(group, place, name, ask({ number: 22, endTimeUtc: soon(-5), allowedSourceAddressPrefix: "10.1.2" })), 400, "InvalidInitiateInput");
  });
  await step("errors: no right, and who lacks which", async () => {
    const error = await fails(reader.initiate(group, place, name, ask({ number: 22, endTimeUtc: soon(5) })), 403, "AuthorizationFailed");
    assert.match(error.message, /'watcher'.*initiate\/action/);
    await fails(requester.createOrUpdate(group, place, name, policy(rule())), 403, "AuthorizationFailed");
    await fails(requester.delete(group, place, name), 403, "AuthorizationFailed");
  });
  await step("errors: a token that is none", async () => {
    await fails(policies("nonsense").get(group, place, name), 401, "InvalidAuthenticationToken");
  });

  await step("a list of 205 policies comes in pages, each policy once", async () => {
    const many = Array.from({ length: 204 }, (_, index) => `page-${index}`);
    for (const each of many) await admin.createOrUpdate(group, place, each, policy(rule()));
    assert.deepEqual((await names(reader.list())).sort(), [...many, name].sort());
    const sizes = [];
    for await (const page of reader.listByResourceGroupAndRegion(group, place).byPage()) sizes.push(page.length);
    assert.deepEqual(sizes, [100, 100, 5]);
    for (const each of many) await admin.delete(group, place, each);
  });
  await step("delete takes it away, and is content if there is none", async () => {
    await admin.delete(group, place, name);
    await fails(reader.get(group, place, name), 404, "PolicyNotFound");
    await admin.delete(group, place, name);
    assert.deepEqual(await names(reader.list()), []);
  });
  await step("a policy made anew under the name begins without requests", async () => {
    assert.deepEqual((await admin.createOrUpdate(group, place, name, policy(rule()))).requests, []);
  });
}

if (verb === "all") await operations();
else await step("initiate without a source fills in the address the client comes from", async () => {
  const asked = await policies(secret.REQUESTER_TOKEN).initiate(group, place, "sdk-js", ask({ number: 22, endTimeUtc: soon(2) }));
  assert.equal(asked.virtualMachines[0].ports[0].allowedSourceAddressPrefix, source);
});
console.log(`${done} steps passed over ${endpoint}`);
