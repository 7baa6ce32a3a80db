// SPDX-License-Identifier: Apache-2.0
// How a grant ends: drained flows live on, cut ones drop with their next packet, and nobody else's. (I3, I4)
#include "tests/support/connection.hpp"

using namespace postern::test;

namespace {

struct World {
  Gate& gate = Gate::fresh();
  std::uint32_t service = gate.guard();
  Connection ssh;

  Packet more() { return ssh.send(psh | ack, 10); }
};

}  // namespace

TEST_CASE("a revoked grant that drains leaves its session alone") {
  World world;
  world.gate.admit(world.service);
  world.ssh.open(world.gate);
  world.gate.expire(world.service);
  world.gate.end(1, GATE_RECORD_DRAINING);
  expect(world.gate, world.more(), gate_reason_flow);
  expect(world.gate, world.ssh.in({.flags = syn}), gate_reason_no_grant);
}

TEST_CASE("a cut drops the very next packet of its flow, and every one after it") {
  World world;
  world.gate.admit(world.service);
  world.ssh.open(world.gate);
  expect(world.gate, world.more(), gate_reason_flow);
  world.gate.expire(world.service);
  world.gate.end(1, GATE_RECORD_CUT);
  for (int i = 0; i < 3; ++i) expect_tidying(world.gate, world.more(), gate_reason_flow_cut);
  learn(world.gate, world.ssh.reply(psh | ack, 10));
  expect_tidying(world.gate, world.more(), gate_reason_flow_cut);
}

TEST_CASE("a cut does not touch the flows of another grant") {
  World world;
  world.gate.admit(world.service, {.slot = 1});
  world.ssh.open(world.gate);
  Connection other;
  other.client = "198.51.100.8";
  world.gate.admit(world.service, {.source = other.client, .slot = 2});
  other.open(world.gate);
  world.gate.expire(world.service, {.slot = 1});
  world.gate.end(1, GATE_RECORD_CUT);
  expect_tidying(world.gate, world.more(), gate_reason_flow_cut);
  expect(world.gate, other.send(psh | ack, 10), gate_reason_flow);
  expect(world.gate, other.send(psh | ack, 10), gate_reason_flow);
}

TEST_CASE("an old cut does not hurt a flow that begins after it") {
  World world;
  world.gate.admit(world.service, {.slot = 2});
  world.gate.end(2, GATE_RECORD_CUT);
  world.gate.admit(world.service, {.slot = 1});
  world.ssh.open(world.gate);
  expect(world.gate, world.more(), gate_reason_flow);
}

TEST_CASE("a cut flow that another live grant covers takes that grant and lives on") {
  World world;
  world.gate.admit(world.service, {.slot = 1});
  world.ssh.open(world.gate);
  const std::uint64_t wide = world.gate.admit(world.service, {.source = "198.51.100.0", .length = 24, .slot = 2});
  world.gate.expire(world.service, {.slot = 1});
  world.gate.end(1, GATE_RECORD_CUT);
  expect(world.gate, world.more(), gate_reason_grant);
  CHECK(world.ssh.established(world.gate)->serial == wide);
  CHECK(world.ssh.established(world.gate)->slot == 2);
  expect(world.gate, world.more(), gate_reason_flow);
  CHECK(world.gate.maps.grant_usage.find(1)->established == 0);
  CHECK(world.gate.maps.grant_usage.find(2)->established == 1);
  world.gate.expire(world.service, {.source = "198.51.100.0", .length = 24, .slot = 2});
  expect(world.gate, world.more(), gate_reason_flow);
}

TEST_CASE("a cut flow is not admitted by the grant that was cut, though its entry is still in the map") {
  World world;
  world.gate.admit(world.service);
  world.ssh.open(world.gate);
  world.gate.end(1, GATE_RECORD_CUT);  // record first, the grant's key goes after it
  expect_tidying(world.gate, world.more(), gate_reason_flow_cut);
}

TEST_CASE("a half-open flow of a cut grant is over") {
  World world;
  world.gate.admit(world.service);
  expect(world.gate, world.ssh.send(syn), gate_reason_grant, half_open_created);
  learn(world.gate, world.ssh.reply(syn | ack));
  world.gate.expire(world.service);
  world.gate.end(1, GATE_RECORD_CUT);
  expect_tidying(world.gate, world.ssh.send(ack), gate_reason_no_grant);
  CHECK_FALSE(world.ssh.established(world.gate).has_value());
}

TEST_CASE("in cut mode the session ends at the deadline by itself, in drain mode it does not") {
  const bool cut = GENERATE(true, false);
  World world;
  const Grant grant{.ending = cut ? std::uint32_t{GATE_ENDING_CUT} : std::uint32_t{GATE_ENDING_DRAIN}};
  world.gate.admit(world.service, grant);
  world.ssh.open(world.gate);
  expect(world.gate, world.more(), gate_reason_flow);
  world.gate.expire(world.service, grant);
  if (cut) {
    expect_tidying(world.gate, world.more(), gate_reason_flow_cut);
  } else {
    expect(world.gate, world.more(), gate_reason_flow);
  }
}

TEST_CASE("a cut at the deadline happens in its nanosecond") {
  World world;
  const Grant grant{.deadline_boot_ns = now_boot_ns() + 3600 * second, .ending = GATE_ENDING_CUT};
  world.gate.admit(world.service, grant);
  world.ssh.open(world.gate);
  const Bytes frame = world.ssh.in({.seq = world.ssh.client_next, .acknowledgment = 5001, .flags = ack}, 5).bytes();
  const auto reason_at = [&](std::uint64_t now) {
    return name_of(static_cast<gate_reason>(world.gate.explain(frame, now).reason));
  };
  CHECK(reason_at(grant.deadline_boot_ns - 1) == "flow");
  CHECK(reason_at(grant.deadline_boot_ns) == "flow_cut");
  CHECK(reason_at(grant.deadline_boot_ns + 1) == "flow_cut");
}

TEST_CASE("extending a grant in cut mode keeps its session") {
  World world;
  Grant grant{.deadline_boot_ns = now_boot_ns() + 30 * second, .ending = GATE_ENDING_CUT};
  grant.serial = world.gate.admit(world.service, grant);
  world.ssh.open(world.gate);
  grant.deadline_boot_ns += 3600 * second;
  world.gate.admit(world.service, grant);
  const Bytes frame = world.ssh.in({.seq = world.ssh.client_next, .acknowledgment = 5001, .flags = ack}, 5).bytes();
  const gate_explain told = world.gate.explain(frame, grant.deadline_boot_ns - 1);
  CHECK(name_of(static_cast<gate_reason>(told.reason)) == "flow");
}

TEST_CASE("the longest session time counts from the session's beginning, also under the next grant") {
  World world;
  const std::uint64_t first = world.gate.admit(world.service, {.session_max_ns = 3600 * second});
  world.ssh.open(world.gate);
  gate_flow flow = world.ssh.established(world.gate).value();
  flow.opened_boot_ns -= 3000 * second;
  flow.session_end_boot_ns -= 3000 * second;
  world.ssh.put_established(world.gate, flow);
  world.gate.end(1, GATE_RECORD_CUT);
  world.gate.admit(world.service, {.slot = 2, .session_max_ns = 3600 * second});
  expect(world.gate, world.more(), gate_reason_grant);
  const gate_flow moved = world.ssh.established(world.gate).value();
  CHECK(moved.serial != first);
  CHECK(moved.session_end_boot_ns == flow.session_end_boot_ns);
}

TEST_CASE("the longest session time ends a flow, though its grant lives") {
  World world;
  world.gate.admit(world.service, {.session_max_ns = 3600 * second});
  world.ssh.open(world.gate);
  gate_flow flow = world.ssh.established(world.gate).value();
  CHECK(flow.session_end_boot_ns > now_boot_ns() + 3500 * second);
  CHECK(flow.session_end_boot_ns <= now_boot_ns() + 3600 * second);
  expect(world.gate, world.more(), gate_reason_flow);
  flow.session_end_boot_ns = now_boot_ns() - 1;
  world.ssh.put_established(world.gate, flow);
  const Judged judged = world.gate.judge(world.more().bytes());
  CHECK(text_of_action(judged.action) == "drop");
  CHECK(text_of(judged.reasons) == "flow_cut");
}

TEST_CASE("an over-long flow stays refused however short the idle time that was set") {
  World world;
  world.gate.configure([](gate_config& config) { config.tcp_established_idle_ns = 10 * second; });
  world.gate.admit(world.service, {.session_max_ns = 3600 * second});
  world.ssh.open(world.gate);
  gate_flow flow = world.ssh.established(world.gate).value();
  flow.session_end_boot_ns = now_boot_ns() - 1;
  flow.opened_coarse_ns = flow.client.last_seen_coarse_ns = flow.machine.last_seen_coarse_ns = now_coarse_ns() - 20 * second;
  world.ssh.put_established(world.gate, flow);
  expect(world.gate, world.more(), gate_reason_flow_cut);
  flow.session_end_boot_ns = 0;  // whereas one of any length is forgotten, and picked up
  world.ssh.put_established(world.gate, flow);
  CHECK(text_of(world.gate.judge(world.more().bytes()).reasons) == "grant");
}

TEST_CASE("the longest session time also ends a connection that its grant's cap keeps half-open") {
  World world;
  world.gate.configure([](gate_config& config) { config.established_per_grant_max = 1; });
  world.gate.admit(world.service, {.session_max_ns = 3600 * second});
  world.ssh.open(world.gate);
  Connection second_one = world.ssh;
  second_one.client_port = 40002;
  expect(world.gate, second_one.send(syn), gate_reason_grant, half_open_created);
  learn(world.gate, second_one.reply(syn | ack));
  world.gate.judge(second_one.send(ack).bytes());
  gate_flow flow = second_one.half_open(world.gate).value();
  CHECK(flow.session_end_boot_ns > now_boot_ns() + 3500 * second);
  flow.session_end_boot_ns = now_boot_ns() - 1;
  // Refused packets do not keep it: silent for longer than a half-open flow is remembered, it is refused still.
  flow.client.last_seen_coarse_ns = flow.machine.last_seen_coarse_ns = now_coarse_ns() - 3600 * second;
  second_one.put_half_open(world.gate, flow);
  expect(world.gate, second_one.send(psh | ack, 10), gate_reason_flow_cut);
  CHECK(second_one.half_open(world.gate).has_value());
}

TEST_CASE("an over-long flow whose end posternd has told and counted off goes without another word") {
  const bool ended = GENERATE(true, false);
  World world;
  world.gate.admit(world.service, {.session_max_ns = 3600 * second});
  world.ssh.open(world.gate);
  world.gate.told_flows();
  gate_usage usage = world.gate.maps.grant_usage.find(1).value();
  usage.established = 5;
  world.gate.maps.grant_usage.put(1, usage);
  gate_flow flow = world.ssh.established(world.gate).value();
  flow.session_end_boot_ns = now_boot_ns() - 1;
  flow.machine.flags |= GATE_SIDE_REOPENED;
  if (ended) flow.flags |= GATE_FLOW_ENDED;
  world.ssh.put_established(world.gate, flow);
  world.gate.judge(world.more().bytes());
  CHECK_FALSE(world.ssh.established(world.gate).has_value());
  CHECK(world.gate.maps.grant_usage.find(1)->established == (ended ? 5 : 4));
  std::size_t closed = 0;
  for (const gate_flow_event& event : world.gate.told_flows()) closed += event.kind == GATE_FLOW_CLOSED;
  CHECK(closed == (ended ? 0 : 1));
}
