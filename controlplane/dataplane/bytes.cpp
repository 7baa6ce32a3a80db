// SPDX-License-Identifier: Apache-2.0
// Encoding and decoding of map keys and values.
#include "controlplane/dataplane/bytes.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <limits>

namespace postern::dataplane {

namespace {

std::uint8_t full_length(core::Family family) {
  return family == core::Family::ipv4 ? 32 : 128;
}

__be32 ipv4(const core::Address& address) {
  __be32 bytes;
  std::memcpy(&bytes, address.bytes.data(), sizeof(bytes));
  return bytes;
}

core::Address address_v4(__be32 bytes) {
  core::Address address;
  std::memcpy(address.bytes.data(), &bytes, sizeof(bytes));
  return address;
}

core::Address address_v6(const __u8 (&bytes)[16]) {
  core::Address address;
  address.family = core::Family::ipv6;
  std::memcpy(address.bytes.data(), bytes, sizeof(bytes));
  return address;
}

core::ServiceKey service(core::Prefix prefix, __be16 port_be, __u8 protocol) {
  return {prefix, ntohs(port_be), static_cast<core::Protocol>(protocol)};
}

}  // namespace

bool is_exact(const core::Prefix& prefix) {
  return prefix.length == full_length(prefix.address.family);
}

gate_service_key_v4 service_key_v4(const core::ServiceKey& key) {
  gate_service_key_v4 bytes{};
  bytes.address = ipv4(key.address.address);
  bytes.port_be = htons(key.port);
  bytes.protocol = static_cast<__u8>(key.protocol);
  return bytes;
}

gate_service_key_v6 service_key_v6(const core::ServiceKey& key) {
  gate_service_key_v6 bytes{};
  std::memcpy(bytes.address, key.address.address.bytes.data(), sizeof(bytes.address));
  bytes.port_be = htons(key.port);
  bytes.protocol = static_cast<__u8>(key.protocol);
  return bytes;
}

gate_prefix_key service_prefix_key(const core::ServiceKey& key) {
  gate_prefix_key bytes = prefix_key(key.address);
  bytes.port_be = htons(key.port);
  bytes.protocol = static_cast<__u8>(key.protocol);
  return bytes;
}

core::ServiceKey service_key(const gate_service_key_v4& bytes) {
  return service({address_v4(bytes.address), 32}, bytes.port_be, bytes.protocol);
}

core::ServiceKey service_key(const gate_service_key_v6& bytes) {
  return service({address_v6(bytes.address), 128}, bytes.port_be, bytes.protocol);
}

core::ServiceKey service_key(const gate_prefix_key& bytes) {
  return service(prefix(bytes), bytes.port_be, bytes.protocol);
}

gate_service service_value(const core::ServiceEntry& entry) {
  gate_service bytes{};
  bytes.id = entry.id;
  bytes.flags = (entry.enforce ? __u32{GATE_SERVICE_ENFORCE} : __u32{GATE_SERVICE_LEARN}) | (entry.failsafe ? __u32{GATE_SERVICE_FAILSAFE} : 0);
  // Longest first: the likeliest grant is for one address.
  for (auto length = entry.prefix_lengths.rbegin(); length != entry.prefix_lengths.rend(); ++length)
    if (bytes.prefix_lengths < GATE_PREFIX_LENGTHS_MAX) bytes.prefix_length[bytes.prefix_lengths++] = *length;
  return bytes;
}

core::ServiceEntry service_entry(const gate_service& bytes) {
  core::ServiceEntry entry;
  entry.id = bytes.id;
  entry.enforce = bytes.flags & GATE_SERVICE_ENFORCE;
  entry.failsafe = bytes.flags & GATE_SERVICE_FAILSAFE;
  const __u32 used = std::min<__u32>(bytes.prefix_lengths, GATE_PREFIX_LENGTHS_MAX);
  entry.prefix_lengths.insert(bytes.prefix_length, bytes.prefix_length + used);
  return entry;
}

gate_prefix_key prefix_key(const core::Prefix& prefix) {
  gate_prefix_key bytes{};
  bytes.length_bits = GATE_PREFIX_KEY_FIXED_BITS + prefix.length;
  bytes.family = static_cast<__u8>(prefix.address.family);
  std::memcpy(bytes.address, prefix.address.bytes.data(), sizeof(bytes.address));
  return bytes;
}

core::Prefix prefix(const gate_prefix_key& bytes) {
  core::Prefix prefix;
  prefix.address = address_v6(bytes.address);
  prefix.address.family = static_cast<core::Family>(bytes.family);
  const __u32 length = bytes.length_bits - std::min<__u32>(bytes.length_bits, GATE_PREFIX_KEY_FIXED_BITS);
  prefix.length = static_cast<std::uint8_t>(length);
  return prefix;
}

core::Address address(std::uint8_t family, const std::uint8_t (&bytes)[16]) {
  core::Address result;
  result.family = family == GATE_IPV4 ? core::Family::ipv4 : core::Family::ipv6;
  std::memcpy(result.bytes.data(), bytes, family == GATE_IPV4 ? 4 : 16);
  return result;
}

gate_address address_value(const core::AddressEntry& entry) {
  gate_address bytes{};
  bytes.flags = entry.enforce ? __u32{GATE_ADDRESS_ENFORCE} : 0;
  bytes.services = entry.services;
  return bytes;
}

core::AddressEntry address_entry(const gate_address& bytes) {
  return {(bytes.flags & GATE_ADDRESS_ENFORCE) != 0, bytes.services};
}

gate_grant_key_v4 grant_key_v4(const core::EntryKey& key) {
  gate_grant_key_v4 bytes{};
  bytes.service = key.service;
  bytes.source = ipv4(key.source.address);
  bytes.prefix_length = key.source.length;
  return bytes;
}

gate_grant_key_v6 grant_key_v6(const core::EntryKey& key) {
  gate_grant_key_v6 bytes{};
  bytes.service = key.service;
  std::memcpy(bytes.source, key.source.address.bytes.data(), sizeof(bytes.source));
  bytes.prefix_length = key.source.length;
  return bytes;
}

core::EntryKey entry_key(const gate_grant_key_v4& bytes) {
  return {bytes.service, {address_v4(bytes.source), bytes.prefix_length}};
}

core::EntryKey entry_key(const gate_grant_key_v6& bytes) {
  return {bytes.service, {address_v6(bytes.source), bytes.prefix_length}};
}

gate_grant grant_value(std::uint32_t service, const core::Entry& entry) {
  gate_grant bytes{};
  bytes.deadline_boot_ns = deadline_ns(entry.deadline);
  bytes.serial = entry.serial;
  bytes.slot = entry.slot;
  bytes.flags = entry.standing ? __u32{GATE_GRANT_STANDING} : 0;
  bytes.service = service;
  return bytes;
}

core::Entry entry(const gate_grant& bytes) {
  return {deadline(bytes.deadline_boot_ns), bytes.serial, bytes.slot, (bytes.flags & GATE_GRANT_STANDING) != 0};
}

std::uint64_t deadline_ns(core::BootTime deadline) {
  if (deadline == core::BootTime::max()) return GATE_NO_DEADLINE;
  return static_cast<std::uint64_t>(std::max<std::int64_t>(deadline.time_since_epoch().count(), 0));
}

core::BootTime deadline(std::uint64_t boot_ns) {
  constexpr auto longest = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (boot_ns >= longest) return core::BootTime::max();
  return core::BootTime(std::chrono::nanoseconds(static_cast<std::int64_t>(boot_ns)));
}

std::pair<std::uint32_t, std::uint64_t> port_bit(core::Protocol protocol, std::uint16_t port) {
  const std::uint32_t first = protocol == core::Protocol::udp ? GATE_GUARDED_PORTS_UDP_WORD : 0;
  return {first + port / 64U, std::uint64_t{1} << (port % 64U)};
}

}  // namespace postern::dataplane
