// SPDX-License-Identifier: Apache-2.0
// Whom a grant lets in: its prefix, its port, its protocol, its machine, and nobody else. (checks 10-12, I1, I3)
#include "tests/support/connection.hpp"

using namespace postern::test;

namespace {

Packet syn_from(const std::string& source, const Tcp& header = {}) {
  if (is_v6(source)) return Ethernet{} / Ipv6{.source = source.c_str()} / header;
  return Ethernet{} / Ipv4{.source = source.c_str()} / header;
}

struct PrefixRow {
  const char* name;
  const char* source;
  int length;
  const char* inside;
  const char* outside;  // nullptr: nobody is
};

const PrefixRow prefix_rows[] = {
    {"0.0.0.0/0", "0.0.0.0", 0, "203.0.113.200", nullptr},
    {"the lower half of IPv4", "0.0.0.0", 1, "127.255.255.254", "128.0.0.1"},
    {"the upper half of IPv4", "128.0.0.0", 1, "198.51.100.7", "127.255.255.254"},
    {"a /24", "198.51.100.0", 24, "198.51.100.255", "198.51.101.0"},
    {"a /25 at its border", "198.51.100.128", 25, "198.51.100.128", "198.51.100.127"},
    {"a /31", "198.51.100.6", 31, "198.51.100.7", "198.51.100.8"},
    {"a /32", "198.51.100.7", 32, "198.51.100.7", "198.51.100.6"},
    {"::/0", "::", 0, "2001:db8:ffff::1", nullptr},
    {"the lower half of IPv6", "::", 1, "2001:db8:c::7", "8000::1"},
    {"a /32 of IPv6", "2001:db8::", 32, "2001:db8:ffff::1", "2001:db9::1"},
    {"a /64", "2001:db8:c::", 64, "2001:db8:c::ffff:1", "2001:db8:c:1::7"},
    {"a /65 at its border", "2001:db8:c:0:8000::", 65, "2001:db8:c:0:8000::7", "2001:db8:c:0:7fff::7"},
    {"a /127", "2001:db8:c::6", 127, "2001:db8:c::7", "2001:db8:c::8"},
    {"a /128", "2001:db8:c::7", 128, "2001:db8:c::7", "2001:db8:c::6"},
};

}  // namespace

TEST_CASE("a grant covers its prefix to the last address, and not the next") {
  for (const PrefixRow& row : prefix_rows) {
    DYNAMIC_SECTION(row.name) {
      Gate& gate = Gate::fresh();
      const std::uint32_t service = gate.guard({.address = is_v6(row.source) ? machine6 : machine4});
      expect(gate, syn_from(row.inside), gate_reason_no_grant);
      gate.admit(service, {.source = row.source, .length = row.length});
      expect(gate, syn_from(row.inside), gate_reason_grant, half_open_created);
      if (row.outside != nullptr) expect(gate, syn_from(row.outside), gate_reason_no_grant);
    }
  }
}

TEST_CASE("a grant is for its port, protocol and machine") {
  Gate& gate = Gate::fresh();
  const std::uint32_t ssh = gate.guard();
  gate.guard({.port = 3389});
  gate.guard({.port = 22, .protocol = udp});
  gate.guard({.address = "192.0.2.11"});
  gate.guard({.address = machine6});
  gate.admit(ssh);
  expect(gate, syn_from(client4), gate_reason_grant, half_open_created);
  expect(gate, syn_from(client4, {.destination = 3389}), gate_reason_no_grant);
  expect(gate, Ethernet{} / Ipv4{} / Udp{}, gate_reason_no_grant);
  expect(gate, Ethernet{} / Ipv4{.destination = "192.0.2.11"} / Tcp{}, gate_reason_no_grant);
  expect(gate, syn_from(client6), gate_reason_no_grant);
  expect(gate, Ethernet{} / Ipv4{.destination = "192.0.2.12"} / Tcp{}, gate_reason_unguarded);
  expect(gate, syn_from(client4, {.destination = 23}), gate_reason_unguarded);
}

TEST_CASE("ports at the edges and at the borders of the bitmap's words are told apart") {
  for (const std::uint16_t port : Ports{1, 63, 64, 65, 127, 1023, 32768, 65534, 65535}) {
    DYNAMIC_SECTION("port " << port) {
      Gate& gate = Gate::fresh();
      gate.guard({.port = port});
      expect(gate, syn_from(client4, {.destination = port}), gate_reason_no_grant);
      expect(gate, syn_from(client4, {.destination = static_cast<std::uint16_t>(port - 1)}), gate_reason_unguarded);
      expect(gate, syn_from(client4, {.destination = static_cast<std::uint16_t>(port + 1)}), gate_reason_unguarded);
      expect(gate, Ethernet{} / Ipv4{} / Udp{.destination = port}, gate_reason_unguarded);
    }
  }
}

TEST_CASE("an expired /32 does not hide a live /24, nor the other way round") {
  Gate& gate = Gate::fresh();
  const std::uint32_t service = gate.guard();
  const Grant wide{.source = "198.51.100.0", .length = 24, .slot = 1};
  const Grant narrow{.source = client4, .slot = 2};
  gate.admit(service, wide);
  gate.admit(service, narrow);
  expect(gate, syn_from(client4), gate_reason_grant, half_open_created);
  gate.expire(service, narrow);
  expect(gate, syn_from(client4), gate_reason_grant);
  expect(gate, syn_from("198.51.100.8"), gate_reason_grant, half_open_created);
  gate.admit(service, narrow);
  gate.expire(service, wide);
  expect(gate, syn_from(client4), gate_reason_grant);
  expect(gate, syn_from("198.51.100.9"), gate_reason_no_grant);
  gate.expire(service, narrow);
  expect(gate, syn_from("198.51.100.10", {.source = 4000}), gate_reason_no_grant);
}

TEST_CASE("sixteen prefix lengths are all asked") {
  Gate& gate = Gate::fresh();
  const std::uint32_t service = gate.guard({.address = machine6});
  for (int i = 0; i < GATE_PREFIX_LENGTHS_MAX - 1; ++i) {
    gate.admit(service, {.source = "2001:db8:f::", .length = 48 + i, .slot = 2});
  }
  expect(gate, syn_from(client6), gate_reason_no_grant);
  gate.admit(service, {.source = client6, .slot = 3});
  expect(gate, syn_from(client6), gate_reason_grant, half_open_created);
  expect(gate, syn_from("2001:db8:f::1"), gate_reason_grant, half_open_created);
}

TEST_CASE("IPv4 and IPv6 sources of the same bytes are strangers") {
  Gate& gate = Gate::fresh();
  const std::uint32_t v4 = gate.guard();
  const std::uint32_t v6 = gate.guard({.address = machine6});
  gate.admit(v4, {.source = "32.1.13.184"});             // 2001:0db8
  gate.admit(v6, {.source = "c633:6407::", .slot = 2});  // 198.51.100.7
  expect(gate, syn_from("2001:db8::"), gate_reason_no_grant);
  expect(gate, syn_from("198.51.100.7"), gate_reason_no_grant);
  expect(gate, syn_from("::ffff:32.1.13.184"), gate_reason_no_grant);
  expect(gate, syn_from("32.1.13.184"), gate_reason_grant, half_open_created);
  expect(gate, syn_from("c633:6407::"), gate_reason_grant, half_open_created);
}

TEST_CASE("a standing rule has no deadline and a name of its own") {
  Gate& gate = Gate::fresh();
  const std::uint32_t service = gate.guard();
  gate.admit(service, {.deadline_boot_ns = GATE_NO_DEADLINE, .flags = GATE_GRANT_STANDING});
  expect(gate, syn_from(client4), gate_reason_standing_rule, half_open_created);
  expect(gate, syn_from("198.51.100.8"), gate_reason_no_grant);
}

TEST_CASE("a grant whose map element was re-used for another service does not match") {
  Gate& gate = Gate::fresh();
  const std::uint32_t service = gate.guard();
  gate.admit(service);
  const gate_grant_key_v4 key = gate.maps.grants_v4.keys().at(0);
  gate_grant torn = gate.maps.grants_v4.find(key).value();
  torn.service = service + 1;
  gate.maps.grants_v4.put(key, torn);
  expect(gate, syn_from(client4), gate_reason_no_grant);
  torn.service = service;
  gate.maps.grants_v4.put(key, torn);
  expect(gate, syn_from(client4), gate_reason_grant, half_open_created);
}

TEST_CASE("a machine guarded by its prefix is covered at each of its addresses") {
  Gate& gate = Gate::fresh();
  const std::uint32_t v6 = gate.guard({.address = "2001:db8:a::", .prefix = 64});
  const std::uint32_t v4 = gate.guard({.address = "192.0.2.0", .prefix = 28});
  const auto to6 = [](const char* address) { return Ethernet{} / Ipv6{.destination = address} / Tcp{}; };
  const auto to4 = [](const char* address) { return Ethernet{} / Ipv4{.destination = address} / Tcp{}; };
  expect(gate, to6("2001:db8:a::1234"), gate_reason_no_grant);
  expect(gate, to6("2001:db8:a:1::1234"), gate_reason_unguarded);
  expect(gate, to4("192.0.2.15"), gate_reason_no_grant);
  expect(gate, to4("192.0.2.16"), gate_reason_unguarded);
  gate.admit(v6, {.source = client6});
  gate.admit(v4, {.slot = 2});
  expect(gate, to6("2001:db8:a::1234"), gate_reason_grant, half_open_created);
  expect(gate, to4("192.0.2.15"), gate_reason_grant, half_open_created);
}

TEST_CASE(
    "two people behind one address: the key's latest deadline counts, and revoking one does not close the other") {
  Gate& gate = Gate::fresh();
  const std::uint32_t service = gate.guard();
  gate.admit(service, {.slot = 1});
  gate.admit(service, {.slot = 2});  // the later deadline is named in the map, as posternd does
  gate.end(1, GATE_RECORD_CUT);
  expect(gate, syn_from(client4), gate_reason_grant, half_open_created);
}
