// SPDX-License-Identifier: Apache-2.0
// To the nanosecond: the read-only program (explain) is asked at a deadline −1, 0 and +1, and the real one before and
// after. The last also proves that both agree. (check 10, I2)
#include "tests/support/connection.hpp"

using namespace postern::test;

namespace {

Bytes syn_frame(const std::string& source = client4) {
  return (Ethernet{} / Ipv4{.source = source.c_str()} / Tcp{}).bytes();
}

void tells(Gate& gate, const Bytes& frame, std::uint64_t now, gate_reason reason, std::uint64_t serial = 0) {
  INFO("now " << now);
  const gate_explain told = gate.explain(frame, now);
  CHECK(name_of(static_cast<gate_reason>(told.reason)) == name_of(reason));
  CHECK(text_of(static_cast<gate_verdict>(told.verdict)) == text_of(verdict_of(reason)));
  CHECK(told.serial == serial);
}

}  // namespace

TEST_CASE("a grant admits one nanosecond before its deadline, and neither at it nor after it") {
  Gate& gate = Gate::fresh();
  const std::uint32_t service = gate.guard();
  for (const std::uint64_t deadline :
       {std::uint64_t{2}, std::uint64_t{3}, 3600 * second, std::uint64_t{1} << 32, std::uint64_t{1} << 63}) {
    INFO("deadline " << deadline);
    const std::uint64_t serial = gate.admit(service, {.deadline_boot_ns = deadline});
    tells(gate, syn_frame(), deadline - 1, gate_reason_grant, serial);
    tells(gate, syn_frame(), deadline, gate_reason_no_grant);
    tells(gate, syn_frame(), deadline + 1, gate_reason_no_grant);
  }
}

TEST_CASE("deadlines at the ends of the scale") {
  Gate& gate = Gate::fresh();
  const std::uint32_t service = gate.guard();
  gate.admit(service, {.deadline_boot_ns = 0});
  tells(gate, syn_frame(), 0, gate_reason_no_grant);
  tells(gate, syn_frame(), 1, gate_reason_no_grant);
  const std::uint64_t latest = GATE_NO_DEADLINE - 1;
  const std::uint64_t serial = gate.admit(service, {.deadline_boot_ns = latest});
  tells(gate, syn_frame(), latest - 1, gate_reason_grant, serial);
  tells(gate, syn_frame(), latest, gate_reason_no_grant);
  const std::uint64_t standing =
      gate.admit(service, {.deadline_boot_ns = GATE_NO_DEADLINE, .flags = GATE_GRANT_STANDING});
  tells(gate, syn_frame(), GATE_NO_DEADLINE, gate_reason_standing_rule, standing);
}

TEST_CASE("the longer prefix ends, the shorter takes over in the same nanosecond") {
  Gate& gate = Gate::fresh();
  const std::uint32_t service = gate.guard();
  const std::uint64_t narrow = gate.admit(service, {.deadline_boot_ns = 1000, .slot = 1});
  const std::uint64_t wide =
      gate.admit(service, {.source = "198.51.100.0", .length = 24, .deadline_boot_ns = 2000, .slot = 2});
  const gate_explain before = gate.explain(syn_frame(), 999);
  CHECK((before.serial == narrow || before.serial == wide));
  tells(gate, syn_frame(), 1000, gate_reason_grant, wide);
  tells(gate, syn_frame("198.51.100.8"), 1999, gate_reason_grant, wide);
  tells(gate, syn_frame(), 2000, gate_reason_no_grant);
}

TEST_CASE("explain names service and slot, and says what monitor mode would do") {
  Gate& gate = Gate::fresh();
  const std::uint32_t enforced = gate.guard();
  const std::uint32_t watched = gate.guard({.port = 3389, .flags = 0, .address_flags = 0});
  const std::uint64_t serial = gate.admit(enforced, {.slot = 5});
  const gate_explain admitted = gate.explain(syn_frame(), 1);
  CHECK(admitted.service == enforced);
  CHECK(admitted.slot == 5);
  CHECK(admitted.serial == serial);
  const Bytes rdp = (Ethernet{} / Ipv4{} / Tcp{.destination = 3389}).bytes();
  const gate_explain monitored = gate.explain(rdp, 1);
  CHECK(monitored.service == watched);
  CHECK(name_of(static_cast<gate_reason>(monitored.reason)) == "no_grant");
  CHECK(text_of(static_cast<gate_verdict>(monitored.verdict)) == "pass");
  const gate_explain other = gate.explain((Ethernet{} / Ipv4{} / Tcp{.destination = 23}).bytes(), 1);
  CHECK(name_of(static_cast<gate_reason>(other.reason)) == "unguarded");
  CHECK(other.service == 0);
}

TEST_CASE("explain sees a live flow, and leaves it as it is") {
  Gate& gate = Gate::fresh();
  const std::uint32_t service = gate.guard();
  gate.admit(service);
  Connection ssh;
  ssh.open(gate);
  gate.expire(service);
  const gate_flow before = ssh.established(gate).value();
  const gate_explain told = gate.explain(ssh.in({.seq = ssh.client_next, .flags = ack}, 10).bytes(), now_boot_ns());
  CHECK(name_of(static_cast<gate_reason>(told.reason)) == "flow");
  CHECK(ssh.established(gate).value().client.packets == before.client.packets);
  CHECK(ssh.established(gate).value().client.seq_next == before.client.seq_next);
}

TEST_CASE("the real program reads the boot clock: an hour before and a nanosecond after") {
  Gate& gate = Gate::fresh();
  const std::uint32_t service = gate.guard();
  gate.admit(service, {.deadline_boot_ns = now_boot_ns() + 3600 * second});
  expect(gate, syn_frame(), gate_reason_grant, half_open_created);
  gate.admit(service, {.deadline_boot_ns = now_boot_ns() - 1});
  expect(gate, syn_frame("198.51.100.7"), gate_reason_no_grant);
  // Again with a longer time where the host stood still for the whole of it.
  for (std::uint64_t time = 50'000'000;; time *= 2) {
    const std::uint64_t deadline = now_boot_ns() + time;
    gate.admit(service, {.deadline_boot_ns = deadline});
    const Judged judged = gate.judge(syn_frame());
    if (now_boot_ns() >= deadline) continue;
    CHECK(text_of(judged.reasons) == "grant");
    break;
  }
  while (now_boot_ns() < gate.maps.grant_records.find(1).value().deadline_boot_ns) continue;
  expect(gate, syn_frame(), gate_reason_no_grant);
}
