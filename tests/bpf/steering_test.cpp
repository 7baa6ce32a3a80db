// SPDX-License-Identifier: Apache-2.0
// What steers the gate beside grants: failsafe, monitor mode, an attach nobody confirmed.
#include <algorithm>

#include "tests/support/connection.hpp"

using namespace postern::test;

namespace {

Packet to_port(std::uint16_t port) {
  return Ethernet{} / Ipv4{} / Tcp{.destination = port};
}

// In monitor mode the would-be drop is counted as such, and the packet passes as `monitored`.
void expect_monitored(Gate& gate, const Packet& packet, gate_reason would_be) {
  const Judged judged = gate.judge(packet.bytes());
  INFO(hex(packet.bytes()));
  CHECK(text_of_action(judged.action) == "pass");
  CHECK(text_of(judged.reasons) == "monitored + " + name_of(would_be));
}

}  // namespace

TEST_CASE("a failsafe source is never gated, its neighbour is") {
  Gate& gate = Gate::fresh();
  gate.guard();
  gate.guard({.address = machine6});
  expect(gate, to_port(22), gate_reason_no_grant);
  gate.failsafe_source("198.51.100.0", 29);
  gate.failsafe_source("2001:db8:c::", 64);
  expect(gate, to_port(22), gate_reason_failsafe);
  expect(gate, Ethernet{} / Ipv4{.source = "198.51.100.8"} / Tcp{}, gate_reason_no_grant);
  expect(gate, Ethernet{} / Ipv6{} / Tcp{}, gate_reason_failsafe);
  expect(gate, Ethernet{} / Ipv6{.source = "2001:db8:d::7"} / Tcp{}, gate_reason_no_grant);
  expect(gate, to_port(23), gate_reason_unguarded);
}

TEST_CASE("the loader's failsafe source counts by the flag of its own record") {
  Gate& gate = Gate::fresh();
  gate.guard();
  gate.failsafe_source(client4, 32, GATE_FAILSAFE_LOADER);
  expect(gate, to_port(22), gate_reason_failsafe);
  gate.configure([](gate_config& config) { config.flags = 0; });
  expect(gate, to_port(22), gate_reason_no_grant);
}

TEST_CASE("a failsafe service is never gated, the one beside it is") {
  Gate& gate = Gate::fresh();
  gate.guard({.port = 22, .flags = GATE_SERVICE_ENFORCE | GATE_SERVICE_FAILSAFE});
  gate.guard({.port = 3389});
  expect(gate, to_port(22), gate_reason_failsafe);
  expect(gate, to_port(3389), gate_reason_no_grant);
}

TEST_CASE("a monitored service counts the would-be drop and lets the packet pass") {
  Gate& gate = Gate::fresh();
  gate.guard({.port = 22, .flags = 0, .address_flags = 0});
  expect_monitored(gate, to_port(22), gate_reason_no_grant);
  expect_monitored(gate, Ethernet{} / Ipv4{.total_length = 41} / Tcp{}, gate_reason_malformed);
  expect_monitored(gate, Packet{Ethernet{}} / Ipv4{} / Gre{} / Ipv4{}, gate_reason_tunnel);
  expect_monitored(gate, Ethernet{} / Ipv4{.offset = 64, .protocol = tcp} / data(8), gate_reason_fragment_unknown);
}

TEST_CASE("odd packets drop if any service of the address enforces") {
  Gate& gate = Gate::fresh();
  gate.guard({.port = 22, .flags = 0, .address_flags = 0});
  gate.guard({.port = 3389});
  expect_monitored(gate, to_port(22), gate_reason_no_grant);
  expect(gate, to_port(3389), gate_reason_no_grant);
  expect(gate, Ethernet{} / Ipv4{.total_length = 41} / Tcp{}, gate_reason_malformed);
  expect(gate, Ethernet{} / Ipv4{.offset = 64, .protocol = tcp} / data(8), gate_reason_fragment_unknown);
}

TEST_CASE("a monitored service follows connections as an enforced one does") {
  Gate& gate = Gate::fresh();
  const std::uint32_t service = gate.guard({.port = 22, .flags = 0, .address_flags = 0});
  gate.admit(service);
  Connection ssh;
  ssh.open(gate);
  gate.expire(service);
  expect(gate, ssh.send(psh | ack, 10), gate_reason_flow);
  expect_monitored(gate, ssh.in({.flags = syn}), gate_reason_no_grant);
}

TEST_CASE("an attach that nobody confirmed stands open from its time on, not before") {
  Gate& gate = Gate::fresh();
  gate.guard();
  gate.configure([](gate_config& config) { config.unconfirmed_boot_ns = now_boot_ns() + 3600 * second; });
  expect(gate, to_port(22), gate_reason_no_grant);
  gate.configure([](gate_config& config) { config.unconfirmed_boot_ns = now_boot_ns() - 1; });
  const Judged judged = gate.judge(to_port(22).bytes());
  CHECK(text_of_action(judged.action) == "pass");
  CHECK(std::count(judged.reasons.begin(), judged.reasons.end(), gate_reason_unconfirmed) == 1);
  const Judged broken = gate.judge((Ethernet{} / Ipv4{.total_length = 41} / Tcp{}).bytes());
  CHECK(text_of_action(broken.action) == "pass");
  const Judged hidden = gate.judge((Packet{Ethernet{}} / Snap{} / Ipv4{} / Tcp{}).bytes());
  CHECK(text_of_action(hidden.action) == "pass");
  gate.configure([](gate_config& config) { config.unconfirmed_boot_ns = 0; });
  expect(gate, to_port(22), gate_reason_no_grant);
}
