// SPDX-License-Identifier: Apache-2.0
// Tables that are full, and the cap of a grant: what is established stays, what finds no place is tried again with each
// packet, and nothing is admitted that would not have been. (checks 21, 22 as far as single packets show them)
#include <algorithm>

#include "tests/support/connection.hpp"

using namespace postern::test;

namespace {

Connection numbered(int i) {
  Connection connection;
  connection.client_port = static_cast<std::uint16_t>(20000 + i);
  return connection;
}

bool has(const Judged& judged, gate_tally tally) {
  return std::count(judged.tallies.begin(), judged.tallies.end(), tally) == 1;
}

}  // namespace

TEST_CASE(
    "a connection that finds the table of established flows full waits half-open, and gets in when there is room") {
  Gate gate{{.established = 2}};
  const std::uint32_t service = gate.guard();
  gate.admit(service);
  Connection first = numbered(1), second_one = numbered(2), third = numbered(3);
  first.open(gate);
  second_one.open(gate);
  expect(gate, third.send(syn), gate_reason_grant, half_open_created);
  learn(gate, third.reply(syn | ack));
  for (int i = 0; i < 3; ++i) {
    const Judged judged = expect(gate, third.send(psh | ack, 10), gate_reason_flow_half_open);
    CHECK(has(judged, gate_tally_established_failed));
  }
  CHECK(gate.maps.grant_usage.find(1)->established == 2);
  // One of the others dies of idleness and is met.
  gate_flow idle = first.established(gate).value();
  idle.client.last_seen_coarse_ns = idle.machine.last_seen_coarse_ns = idle.opened_coarse_ns = 1;
  gate.configure([](gate_config& config) { config.tcp_established_idle_ns = 1; });
  first.put_established(gate, idle);
  gate.judge(first.in({.flags = ack}).bytes());
  gate.configure([](gate_config& config) { config.tcp_established_idle_ns = tcp_idle; });
  CHECK_FALSE(first.established(gate).has_value());
  const Judged in = expect(gate, third.send(psh | ack, 10), gate_reason_flow_half_open, promoted);
  CHECK(has(in, gate_tally_established_created));
  gate.expire(service);
  expect(gate, third.send(psh | ack, 10), gate_reason_flow);
}

TEST_CASE("among a million flows each is found, the next one waits, and none is pushed out") {
  constexpr std::uint32_t million = 1U << 20;
  Gate gate{{.established = million}};
  gate.configure([](gate_config& config) {  // a slow machine fills and counts such a table for minutes
    config.tcp_half_open_idle_ns = config.tcp_established_idle_ns = 3600 * second;
  });
  const std::uint32_t service = gate.guard();
  gate.admit(service);
  Connection oldest = numbered(1), last = numbered(2), late = numbered(3);
  oldest.open(gate);
  for (Connection* opening : {&last, &late}) {
    expect(gate, opening->send(syn), gate_reason_grant, half_open_created);
    learn(gate, opening->reply(syn | ack));
  }
  const gate_flow flow = oldest.established(gate).value();
  gate_flow_key_v4 key{};
  for (key.client = 1; key.client <= million - 2; ++key.client) gate.maps.established_v4.put(key, flow);

  // Not judge(), which would count a million entries for each packet.
  const auto passes_by = [&gate](gate_reason reason, const Packet& packet) {
    const auto before = gate.maps.counters.total(reason).packets;
    gate.flood(packet.bytes(), 1);
    return gate.maps.counters.total(reason).packets == before + 1;
  };
  CHECK(passes_by(gate_reason_flow_half_open, last.send(ack)));
  CHECK(passes_by(gate_reason_flow_half_open, late.send(ack)));
  CHECK(gate.maps.tallies.total(gate_tally_established_failed).packets == 1);
  gate.expire(service);
  CHECK(passes_by(gate_reason_flow, oldest.send(psh | ack, 10)));
  CHECK(passes_by(gate_reason_flow, last.send(psh | ack, 10)));
  CHECK(passes_by(gate_reason_no_grant, late.send(psh | ack, 10)));
  CHECK(gate.maps.established_v4.size() == million);
}

TEST_CASE("a connection that never found a place ends with its grant") {
  Gate gate{{.established = 1}};
  const std::uint32_t service = gate.guard();
  gate.admit(service);
  Connection first = numbered(1), second_one = numbered(2);
  first.open(gate);
  expect(gate, second_one.send(syn), gate_reason_grant, half_open_created);
  learn(gate, second_one.reply(syn | ack));
  expect(gate, second_one.send(ack), gate_reason_flow_half_open);
  gate.expire(service);
  expect_tidying(gate, second_one.send(psh | ack, 10), gate_reason_no_grant);
  expect(gate, first.send(psh | ack, 10), gate_reason_flow);
}

TEST_CASE("a flood of half-open connections pushes no established one out") {
  Gate gate{{.half_open = 64}};
  gate.admit(gate.guard(), {.source = "0.0.0.0", .length = 0});
  Connection ssh;
  ssh.open(gate);
  for (int i = 0; i < 1000; ++i) {
    Connection flood = numbered(i);
    const Judged judged = gate.judge(flood.send(syn).bytes());
    CHECK(text_of(judged.reasons) == "grant");
    CHECK(judged.changes.established == 0);
  }
  expect(gate, ssh.send(psh | ack, 10), gate_reason_flow);
  CHECK(gate.maps.half_open_v4.size() <= 64);
}

TEST_CASE("denied packets take no place in any table") {
  Gate gate{{.half_open = 64}};
  gate.guard();
  for (int i = 0; i < 300; ++i) {
    expect(gate, numbered(i).in({.flags = i % 2 ? syn : ack}), gate_reason_no_grant);
  }
}

TEST_CASE("a grant's cap holds its own connections back, not another's") {
  Gate& gate = Gate::fresh();
  const std::uint32_t service = gate.guard();
  gate.configure([](gate_config& config) { config.established_per_grant_max = 2; });
  gate.admit(service, {.slot = 1});
  Connection first = numbered(1), second_one = numbered(2), third = numbered(3);
  first.open(gate);
  second_one.open(gate);
  expect(gate, third.send(syn), gate_reason_grant, half_open_created);
  learn(gate, third.reply(syn | ack));
  const Judged judged = expect(gate, third.send(ack), gate_reason_flow_half_open);
  CHECK(has(judged, gate_tally_established_failed));
  CHECK(gate.maps.grant_usage.find(1)->established == 2);

  Connection other;
  other.client = "198.51.100.8";
  gate.admit(service, {.source = other.client, .slot = 2});
  other.open(gate);
  CHECK(gate.maps.grant_usage.find(2)->established == 1);

  gate.configure([](gate_config& config) { config.established_per_grant_max = 3; });
  expect(gate, third.send(psh | ack, 10), gate_reason_flow_half_open, promoted);
  CHECK(gate.maps.grant_usage.find(1)->established == 3);
}

TEST_CASE("a full table of fragments forgets the oldest, never a verdict's meaning") {
  Gate gate{{.others = 64}};
  gate.guard({.port = 3389, .protocol = udp});
  const auto piece = [](std::uint16_t id, bool first, std::uint16_t port) {
    if (!first) return Ethernet{} / Ipv4{.id = id, .offset = 1480, .protocol = udp} / data(8);
    return Ethernet{} / Ipv4{.id = id, .more = true} / Udp{.destination = port} / data(1472);
  };
  for (std::uint16_t id = 1; id <= 500; ++id) {
    CHECK(text_of_action(gate.judge(piece(id, true, 5000).bytes()).action) == "pass");
  }
  CHECK(gate.maps.fragments.size() <= 64);
  expect(gate, piece(500, false, 0), gate_reason_fragment_follows);
  expect(gate, piece(1, false, 0), gate_reason_fragment_unknown);
  expect(gate, piece(501, false, 0), gate_reason_fragment_unknown);
}
