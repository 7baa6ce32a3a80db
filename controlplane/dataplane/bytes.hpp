// SPDX-License-Identifier: Apache-2.0
// The domain's nouns as the bytes of bpf/abi, and back. Pure: no map is touched. Keys come out with padding zeroed.
// Decoding keeps what it finds, so that a strange element can be named to be erased.
#pragma once

#include <utility>

#include "bpf/abi/maps.h"
#include "controlplane/core/ports.hpp"

namespace postern::dataplane {

// A service by exact address lives in a hash, one by prefix in the trie.
bool is_exact(const core::Prefix& prefix);

gate_service_key_v4 service_key_v4(const core::ServiceKey& key);  // exact IPv4 only
gate_service_key_v6 service_key_v6(const core::ServiceKey& key);  // exact IPv6 only
gate_prefix_key service_prefix_key(const core::ServiceKey& key);
core::ServiceKey service_key(const gate_service_key_v4& bytes);
core::ServiceKey service_key(const gate_service_key_v6& bytes);
core::ServiceKey service_key(const gate_prefix_key& bytes);

// At most GATE_PREFIX_LENGTHS_MAX prefix lengths.
gate_service service_value(const core::ServiceEntry& entry);
core::ServiceEntry service_entry(const gate_service& bytes);

// IPv4: the first four bytes.
core::Address address(std::uint8_t family, const std::uint8_t (&bytes)[16]);

// Of guarded_addresses and failsafe_sources.
gate_prefix_key prefix_key(const core::Prefix& prefix);
core::Prefix prefix(const gate_prefix_key& bytes);
gate_address address_value(const core::AddressEntry& entry);
core::AddressEntry address_entry(const gate_address& bytes);

gate_grant_key_v4 grant_key_v4(const core::EntryKey& key);
gate_grant_key_v6 grant_key_v6(const core::EntryKey& key);
core::EntryKey entry_key(const gate_grant_key_v4& bytes);
core::EntryKey entry_key(const gate_grant_key_v6& bytes);
gate_grant grant_value(std::uint32_t service, const core::Entry& entry);
core::Entry entry(const gate_grant& bytes);

// BootTime::max() is GATE_NO_DEADLINE; times before the boot count as 0.
std::uint64_t deadline_ns(core::BootTime deadline);
core::BootTime deadline(std::uint64_t boot_ns);

// Word and bit of guarded_ports.
std::pair<std::uint32_t, std::uint64_t> port_bit(core::Protocol protocol, std::uint16_t port);

}  // namespace postern::dataplane
