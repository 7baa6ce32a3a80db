// SPDX-License-Identifier: Apache-2.0
// The maps as loader and posternd would write them: what is guarded, who is let in, how long things live.
#include <arpa/inet.h>

#include <algorithm>
#include <ctime>
#include <iterator>

#include "tests/support/gate_fixture.hpp"

namespace postern::test {
namespace {

std::uint64_t clock_ns(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<std::uint64_t>(time.tv_sec) * second + static_cast<std::uint64_t>(time.tv_nsec);
}

template <class Array>
void copy_address(const std::string& text, Array& to) {
  static_assert(sizeof to == 16);
  inet_pton(is_v6(text) ? AF_INET6 : AF_INET, text.c_str(), &to);
}

__be32 address4(const std::string& text) {
  in_addr address{};
  inet_pton(AF_INET, text.c_str(), &address);
  return address.s_addr;
}

int whole(const std::string& address) {
  return is_v6(address) ? 128 : 32;
}

template <std::size_t Size>
void keep_bits(std::uint8_t (&bytes)[Size], int bits) {
  for (std::size_t i = 0; i < Size; ++i) {
    const int kept = std::clamp(bits - static_cast<int>(i) * 8, 0, 8);
    bytes[i] = static_cast<std::uint8_t>(bytes[i] & (0xff00 >> kept));
  }
}

}  // namespace

std::uint64_t now_boot_ns() {
  return clock_ns(CLOCK_BOOTTIME);
}
std::uint64_t now_coarse_ns() {
  return clock_ns(CLOCK_MONOTONIC_COARSE);
}
bool is_v6(const std::string& address) {
  return address.find(':') != std::string::npos;
}

std::string name_of(gate_reason reason) {
#define POSTERN_TEST_NAME(name, number, verdict, text) \
  if (reason == gate_reason_##name) return #name;
  GATE_REASONS(POSTERN_TEST_NAME)
#undef POSTERN_TEST_NAME
  return std::to_string(reason);
}

gate_verdict verdict_of(gate_reason reason) {
#define POSTERN_TEST_VERDICT(name, number, verdict, text) \
  if (reason == gate_reason_##name) return verdict;
  GATE_REASONS(POSTERN_TEST_VERDICT)
#undef POSTERN_TEST_VERDICT
  return GATE_DROP;
}

gate_prefix_key prefix_key(const std::string& address, int length, std::uint8_t protocol, std::uint16_t port) {
  gate_prefix_key key{};
  key.length_bits = GATE_PREFIX_KEY_FIXED_BITS + static_cast<std::uint32_t>(length);
  key.family = is_v6(address) ? GATE_IPV6 : GATE_IPV4;
  key.protocol = protocol;
  key.port_be = htons(port);
  copy_address(address, key.address);
  keep_bits(key.address, length);
  return key;
}

gate_service_key_v4 service_key_v4(const Service& service) {
  gate_service_key_v4 key{};
  key.address = address4(service.address);
  key.port_be = htons(service.port);
  key.protocol = service.protocol;
  return key;
}

gate_service_key_v6 service_key_v6(const Service& service) {
  gate_service_key_v6 key{};
  copy_address(service.address, key.address);
  key.port_be = htons(service.port);
  key.protocol = service.protocol;
  return key;
}

void Gate::reset() {
  maps.grants_v4.clear();
  maps.grants_v6.clear();
  maps.services_v4.clear();
  maps.services_v6.clear();
  maps.service_prefixes.clear();
  maps.guarded_addresses.clear();
  maps.failsafe_sources.clear();
  maps.half_open_v4.clear();
  maps.half_open_v6.clear();
  maps.learning_v4.clear();
  maps.learning_v6.clear();
  maps.learned_usage.put(0, {});
  maps.established_v4.clear();
  maps.established_v6.clear();
  maps.fragments.clear();
  maps.answers.clear();
  maps.answer_peers.clear();
  for (std::uint32_t word = 0; word < GATE_WATCHED_PORTS_WORDS; ++word) maps.watched_ports.put(word, 0);
  for (const auto word : port_words_) maps.guarded_ports.put(word, 0);
  for (std::uint32_t slot = 0; slot < 16; ++slot) {
    maps.grant_records.put(slot, {});
    maps.grant_usage.put(slot, {});
  }
  for (std::uint32_t service = 0; service < 16; ++service) maps.service_counters.clear_each_cpu(service);
  for (std::uint32_t budget = 0; budget < GATE_DROP_BUDGETS; ++budget) maps.drop_budget.clear_each_cpu(budget);
  told_drops();
  told_flows();
  port_words_.clear();
  services_.clear();
  gate_config config{};
  config.abi = GATE_ABI;
  config.tcp_half_open_idle_ns = half_open_idle;
  config.tcp_established_idle_ns = tcp_idle;
  config.tcp_closed_linger_ns = linger;
  config.udp_half_open_idle_ns = half_open_idle;
  config.udp_established_idle_ns = udp_idle;
  config.fragment_idle_ns = fragment_idle;
  for (std::uint32_t i = 0; i < GATE_FLOW_SEEDS; ++i) config.flow_seeds[i] = 0x9e3779b97f4a7c15 * (i + 1);
  maps.config.put(0, config);
  maps.control.put(0, {});
}

void Gate::configure(void (*change)(gate_config&)) {
  gate_config config = maps.config.find(0).value();
  change(config);
  maps.config.put(0, config);
}

std::uint32_t Gate::guard(const Service& service) {
  services_.push_back(service);
  const auto id = static_cast<std::uint32_t>(services_.size());
  gate_service value{};
  value.id = id;
  value.flags = service.flags;
  const int length = service.prefix < 0 ? whole(service.address) : service.prefix;
  if (service.prefix >= 0) {
    maps.service_prefixes.put(prefix_key(service.address, length, service.protocol, service.port), value);
    gate_control control = maps.control.find(0).value();
    control.flags |= GATE_CONTROL_SERVICE_PREFIXES;
    maps.control.put(0, control);
  } else if (is_v6(service.address)) {
    maps.services_v6.put(service_key_v6(service), value);
  } else {
    maps.services_v4.put(service_key_v4(service), value);
  }
  const auto key = prefix_key(service.address, length);
  gate_address address = maps.guarded_addresses.find(key).value_or(gate_address{});
  address.flags |= service.address_flags;
  ++address.services;
  maps.guarded_addresses.put(key, address);
  const std::uint32_t first = service.protocol == udp ? GATE_GUARDED_PORTS_UDP_WORD : 0;
  const std::uint32_t word = first + service.port / 64U;
  maps.guarded_ports.put(word, maps.guarded_ports.find(word).value() | 1ULL << service.port % 64);
  port_words_.insert(word);
  return id;
}

void Gate::use_length(std::uint32_t id, int length) {
  const Service& service = services_.at(id - 1);
  const auto with_length = [&](const auto& table, const auto& key) {
    gate_service value = table.find(key).value();
    const auto* const first = std::cbegin(value.prefix_length);
    const auto* const end = first + value.prefix_lengths;
    if (std::find(first, end, length) != end) return;
    value.prefix_length[value.prefix_lengths++] = static_cast<std::uint8_t>(length);
    table.put(key, value);
  };
  if (service.prefix >= 0) {
    with_length(maps.service_prefixes, prefix_key(service.address, service.prefix, service.protocol, service.port));
  } else if (is_v6(service.address)) {
    with_length(maps.services_v6, service_key_v6(service));
  } else {
    with_length(maps.services_v4, service_key_v4(service));
  }
}

gate_grant Gate::grant_value(std::uint32_t service, const Grant& grant) const {
  gate_grant value{};
  value.deadline_boot_ns = grant.deadline_boot_ns;
  value.serial = grant.serial;
  value.slot = grant.slot;
  value.flags = grant.flags;
  value.service = service;
  return value;
}

void Gate::put_grant(std::uint32_t service, const Grant& grant, const gate_grant& value) {
  const int length = grant.length < 0 ? whole(grant.source) : grant.length;
  std::uint8_t source[16]{};
  copy_address(grant.source, source);
  keep_bits(source, length);
  const auto put = [&](const auto& table, auto key) {
    key.service = service;
    key.prefix_length = static_cast<std::uint8_t>(length);
    std::copy_n(source, sizeof key.source, reinterpret_cast<std::uint8_t*>(&key.source));
    table.put(key, value);
  };
  if (is_v6(grant.source))
    put(maps.grants_v6, gate_grant_key_v6{});
  else
    put(maps.grants_v4, gate_grant_key_v4{});
}

std::uint64_t Gate::admit(std::uint32_t service, const Grant& wanted) {
  Grant grant = wanted;
  if (grant.serial == 0) grant.serial = next_serial_++;
  gate_record record{};
  record.serial = grant.serial;
  record.deadline_boot_ns = grant.deadline_boot_ns;
  record.session_max_ns = grant.session_max_ns;
  record.state = GATE_RECORD_LIVE;
  record.ending = grant.ending;
  maps.grant_records.put(grant.slot, record);
  gate_usage usage{};
  usage.serial = grant.serial;
  maps.grant_usage.put(grant.slot, usage);
  put_grant(service, grant, grant_value(service, grant));
  use_length(service, grant.length < 0 ? whole(grant.source) : grant.length);
  return grant.serial;
}

void Gate::expire(std::uint32_t service, const Grant& wanted) {
  Grant grant = wanted;
  gate_record record = maps.grant_records.find(grant.slot).value();
  grant.serial = record.serial;
  grant.deadline_boot_ns = record.deadline_boot_ns = now_boot_ns() - 1;
  maps.grant_records.put(grant.slot, record);
  put_grant(service, grant, grant_value(service, grant));
}

void Gate::end(std::uint32_t slot, gate_record_state state) {
  gate_record record = maps.grant_records.find(slot).value();
  record.state = state;
  maps.grant_records.put(slot, record);
  if (state != GATE_RECORD_CUT) return;
  gate_control control = maps.control.find(0).value();
  ++control.cut_generation;
  maps.control.put(0, control);
}

void Gate::failsafe_source(const std::string& address, int length, gate_failsafe_owner owner) {
  gate_failsafe value{};
  value.owner = owner;
  maps.failsafe_sources.put(prefix_key(address, length), value);
  gate_control control = maps.control.find(0).value();
  gate_config config = maps.config.find(0).value();
  if (owner == GATE_FAILSAFE_ADMIN)
    control.flags |= GATE_CONTROL_FAILSAFE_SOURCES;
  else
    config.flags |= GATE_CONFIG_FAILSAFE_SOURCES;
  maps.control.put(0, control);
  maps.config.put(0, config);
}

}  // namespace postern::test
