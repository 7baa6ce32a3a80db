// SPDX-License-Identifier: Apache-2.0
// To a closed port no TCP packet passes, whatever its flags; an open one lets in each sensible beginning. (check 7)
#include "tests/support/connection.hpp"

using namespace postern::test;

namespace {

Packet with_flags(unsigned flags, bool v6) {
  const Tcp header{
      .acknowledgment = 77, .flags = static_cast<std::uint8_t>(flags & 0xff), .ninth_flag = (flags & 0x100) != 0};
  if (v6) return Ethernet{} / Ipv6{} / header;
  return Ethernet{} / Ipv4{} / header;
}

}  // namespace

TEST_CASE("none of the 512 combinations of TCP flags passes to a closed port, or leaves a trace") {
  Gate& gate = Gate::fresh();
  gate.guard();
  gate.guard({.address = machine6});
  for (unsigned flags = 0; flags < 512; ++flags) {
    INFO("flags " << flags);
    expect(gate, with_flags(flags, flags % 2 != 0), gate_reason_no_grant);
    expect(gate, with_flags(flags, flags % 2 == 0), gate_reason_no_grant);
  }
}

TEST_CASE("none of them passes with an expired grant, or with somebody else's") {
  Gate& gate = Gate::fresh();
  const std::uint32_t service = gate.guard();
  gate.admit(service, {.source = "198.51.100.8"});
  gate.admit(service, {.deadline_boot_ns = now_boot_ns() - 1, .slot = 2});
  for (unsigned flags = 0; flags < 256; ++flags) {
    INFO("flags " << flags);
    expect(gate, with_flags(flags, false), gate_reason_no_grant);
  }
}

TEST_CASE("a foreign SYN never disturbs an established flow, and never passes by it") {
  Gate& gate = Gate::fresh();
  const std::uint32_t service = gate.guard();
  gate.admit(service);
  Connection ssh;
  ssh.open(gate);
  gate.expire(service);
  const gate_flow before = ssh.established(gate).value();
  for (unsigned flags = 0; flags < 256; ++flags) {
    if ((flags & syn) == 0 || (flags & ack) != 0) continue;
    INFO("flags " << flags);
    expect(gate, ssh.in({.seq = 99, .flags = static_cast<std::uint8_t>(flags)}), gate_reason_no_grant);
  }
  const gate_flow after = ssh.established(gate).value();
  CHECK(after.client.seq_next == before.client.seq_next);
  CHECK(after.client.flags == before.client.flags);
  CHECK(after.client.packets == before.client.packets);
  expect(gate, ssh.send(psh | ack, 100), gate_reason_flow);
}
