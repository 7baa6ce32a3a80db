// SPDX-License-Identifier: Apache-2.0
#include "tests/model/world.hpp"

#include <arpa/inet.h>

#include "tests/model/model.hpp"

namespace postern::model {
namespace {

Address address_of(const char* text) {
  Address out{};
  inet_pton(std::strchr(text, ':') ? AF_INET6 : AF_INET, text, out.data());
  return out;
}

struct Names {
  std::vector<Address> clients, machines;
};

// The last machine of each family is never guarded by its exact address.
const Names& names(int family) {
  static const Names v4{{address_of("198.51.100.7"), address_of("198.51.100.8"), address_of("203.0.113.9")},
                        {address_of("192.0.2.10"), address_of("192.0.2.17"), address_of("192.0.2.99")}};
  static const Names v6{{address_of("2001:db8:c::7"), address_of("2001:db8:c::8"), address_of("2001:db8:d:0:8000::9")},
                        {address_of("2001:db8:a::10"), address_of("2001:db8:a:1::17"), address_of("2001:db8:b::99")}};
  return family == 4 ? v4 : v6;
}

void keep_bits(std::uint8_t* bytes, std::size_t size, int bits) {
  for (int bit = bits; bit < static_cast<int>(size) * 8; ++bit)
    bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] & ~(0x80U >> bit % 8));
}

gate_prefix_key prefix_key(int family, const Address& address, int length, std::uint8_t protocol = 0,
                           std::uint16_t port = 0) {
  gate_prefix_key key{};
  key.length_bits = GATE_PREFIX_KEY_FIXED_BITS + static_cast<std::uint32_t>(length);
  key.family = static_cast<std::uint8_t>(family);
  key.protocol = protocol;
  key.port_be = htons(port);
  std::memcpy(key.address, address.data(), sizeof key.address);
  keep_bits(key.address, 16, length);
  return key;
}

constexpr std::uint32_t flag(int bit) {
  return static_cast<std::uint32_t>(bit);
}

int whole(int family) {
  return family == 4 ? 32 : 128;
}

template <class Key>
Key flow_key(const Tuple& tuple) {
  Key key{};
  std::memcpy(&key.client, tuple.client.data(), sizeof key.client);
  std::memcpy(&key.machine, tuple.machine.data(), sizeof key.machine);
  key.client_port_be = htons(tuple.client_port);
  key.machine_port_be = htons(tuple.machine_port);
  key.protocol = tuple.protocol;
  return key;
}

}  // namespace

World::World(Random& random, Story& story) : random_{random}, story_{story} {
  settings();
  for (auto count = random_.below(6); count > 0; --count) guard();
  for (auto count = services_.empty() ? 0 : random_.below(7); count > 0; --count) grant();
  for (auto count = random_.percent(30) ? 1 + random_.below(2) : 0; count > 0; --count) failsafe_source();
  for (int i = 0; i < 6; ++i) {
    Connection connection{.tuple = any_tuple()};
    connection.client_next = random_.percent(80) ? 1000 : 0xfffffff0;
    connection.machine_next = random_.percent(80) ? 0x80000000 - 20 : 0xfffffff0;
    connection.machine_opens = random_.percent(15);
    if (random_.percent(25)) flow(connection);
    connections.push_back(connection);
  }
}

Tuple World::any_tuple() {
  Tuple tuple;
  if (!services_.empty() && random_.percent(85)) {
    tuple = random_.pick(services_).tuple;
    if (random_.percent(15)) tuple.client = random_.pick(names(tuple.family).clients);
  } else {
    tuple.family = random_.one_of({4, 6});
    tuple.client = random_.pick(names(tuple.family).clients);
    tuple.machine = random_.pick(names(tuple.family).machines);
    tuple.machine_port = random_.one_of<std::uint16_t>({22, 23, 80, 3389, 67, 546});
    tuple.protocol = random_.one_of<std::uint8_t>({6, 17});
  }
  tuple.client_port = random_.one_of<std::uint16_t>({40000, 40001, 22, 68});
  return tuple;
}

void World::settings() {
  config_.abi = GATE_ABI;
  config_.flags = random_.percent(15) ? flag(GATE_CONFIG_FAILSAFE_SOURCES) : 0;
  config_.unconfirmed_boot_ns = random_.percent(92) ? 0 : random_.one_of({long_ago, far_away});
  config_.tcp_half_open_idle_ns = random_.percent(90) ? 6 * second : 0;
  config_.tcp_established_idle_ns = random_.percent(90) ? 18 * second : 0;
  config_.tcp_closed_linger_ns = 10 * second;
  config_.udp_half_open_idle_ns = 10 * second;
  config_.udp_established_idle_ns = 14 * second;
  config_.fragment_idle_ns = 6 * second;
  config_.established_per_grant_max = random_.one_of<std::uint32_t>({0, 0, 0, 1, 2});
  config_.udp_without_grant_session_ns = random_.one_of<std::uint64_t>({0, 1, far_away / 2});
  config_.learned_max = random_.one_of<std::uint32_t>({0, 0, 1, 2});
  for (auto& seed : config_.flow_seeds) seed = random_.below(~0ULL);
  put(map_config, std::uint32_t{0}, config_);
  control_.flags = (random_.percent(85) ? flag(GATE_CONTROL_SERVICE_PREFIXES) : 0) |
                   (random_.percent(30) ? flag(GATE_CONTROL_FAILSAFE_SOURCES) : 0);
  control_.cut_generation = random_.one_of<std::uint32_t>({0, 1, 5, 0xffffffff});
  put(map_control, std::uint32_t{0}, control_);
}

void World::guard() {
  Guarded one;
  Tuple& tuple = one.tuple;
  tuple.family = random_.one_of({4, 6});
  tuple.client = random_.pick(names(tuple.family).clients);
  tuple.machine = names(tuple.family).machines[random_.below(2)];
  tuple.machine_port = random_.one_of<std::uint16_t>({22, 22, 3389, 63, 64, 65535, 1});
  tuple.protocol = random_.one_of<std::uint8_t>({6, 6, 17});
  one.prefix = random_.percent(70) ? -1
               : tuple.family == 4 ? random_.one_of({28, 24, 31})
                                   : random_.one_of({64, 48, 127});
  one.service.id = static_cast<std::uint32_t>(services_.size() + 1);
  one.service.flags = (random_.percent(70) ? flag(GATE_SERVICE_ENFORCE) : 0) |
                      (random_.percent(5) ? flag(GATE_SERVICE_FAILSAFE) : 0) |
                      (random_.percent(30) ? flag(GATE_SERVICE_LEARN) : 0);
  services_.push_back(one);
  write(one);
  gate_address address{};
  address.flags =
      (random_.percent(75) ? flag(GATE_ADDRESS_ENFORCE) : 0) | (random_.percent(15) ? flag(GATE_ADDRESS_TUNNELS) : 0);
  address.services = 1;
  const int length = one.prefix < 0 ? whole(tuple.family) : one.prefix;
  if (random_.percent(96)) put(map_guarded_addresses, prefix_key(tuple.family, tuple.machine, length), address);
  if (random_.percent(97)) {
    const std::uint32_t word = (tuple.protocol == 17 ? GATE_GUARDED_PORTS_UDP_WORD : 0) + tuple.machine_port / 64U;
    put(map_guarded_ports, word, port_words_[word] |= 1ULL << tuple.machine_port % 64);
  }
}

void World::write(const Guarded& one) {
  const Tuple& tuple = one.tuple;
  if (one.prefix >= 0)
    return put(map_service_prefixes,
               prefix_key(tuple.family, tuple.machine, one.prefix, tuple.protocol, tuple.machine_port), one.service);
  if (tuple.family == 4) {
    gate_service_key_v4 key{};
    std::memcpy(&key.address, tuple.machine.data(), 4);
    key.port_be = htons(tuple.machine_port);
    key.protocol = tuple.protocol;
    return put(map_services_v4, key, one.service);
  }
  gate_service_key_v6 key{};
  std::memcpy(key.address, tuple.machine.data(), 16);
  key.port_be = htons(tuple.machine_port);
  key.protocol = tuple.protocol;
  put(map_services_v6, key, one.service);
}

void World::grant() {
  Granted one;
  one.service = random_.below(services_.size());
  Guarded& guarded = services_[one.service];
  const int family = guarded.tuple.family;
  one.source = random_.percent(70) ? guarded.tuple.client : random_.pick(names(family).clients);
  one.length =
      family == 4 ? random_.one_of({0, 1, 8, 24, 31, 32, 32, 32}) : random_.one_of({0, 1, 48, 64, 65, 127, 128, 128});
  gate_service& service = guarded.service;
  if (std::count(service.prefix_length, service.prefix_length + service.prefix_lengths, one.length) == 0 &&
      service.prefix_lengths < GATE_PREFIX_LENGTHS_MAX && random_.percent(97))
    service.prefix_length[service.prefix_lengths++] = static_cast<std::uint8_t>(one.length);
  one.grant.slot = static_cast<std::uint32_t>(random_.below(8));
  one.grant.serial = 100 + grants_.size() + 10 * random_.below(3);
  one.grant.deadline_boot_ns = random_.one_of<std::uint64_t>(
      {far_away, far_away, far_away, far_away, GATE_NO_DEADLINE, GATE_NO_DEADLINE - 1, long_ago, 0, 1});
  one.grant.flags = random_.percent(10) ? flag(GATE_GRANT_STANDING) : 0;
  one.grant.service = service.id + (random_.percent(2) ? 1 : 0);
  one.record.serial = one.grant.serial + (random_.percent(6) ? 1 : 0);
  one.record.deadline_boot_ns = random_.percent(90) ? one.grant.deadline_boot_ns : random_.one_of({far_away, long_ago});
  one.record.session_max_ns = random_.percent(85) ? 0 : random_.one_of<std::uint64_t>({1, far_away / 2});
  one.record.state = random_.percent(80) ? flag(GATE_RECORD_LIVE) : static_cast<std::uint32_t>(random_.below(4));
  one.record.ending = random_.one_of<std::uint32_t>({GATE_ENDING_DRAIN, GATE_ENDING_DRAIN, GATE_ENDING_CUT});
  grants_.push_back(one);
  write(guarded);
  write(one);
  gate_usage usage{};
  usage.serial = one.record.serial + (random_.percent(6) ? 1 : 0);
  usage.admitted = random_.below(3);
  usage.established = random_.percent(80) ? 0 : random_.below(3);
  put(map_grant_usage, one.grant.slot, usage);
}

void World::write(const Granted& one) {
  Address source = one.source;
  keep_bits(source.data(), 16, one.length);
  if (services_[one.service].tuple.family == 4) {
    gate_grant_key_v4 key{};
    key.service = services_[one.service].service.id;
    std::memcpy(&key.source, source.data(), 4);
    key.prefix_length = static_cast<std::uint8_t>(one.length);
    put(map_grants_v4, key, one.grant);
  } else {
    gate_grant_key_v6 key{};
    key.service = services_[one.service].service.id;
    std::memcpy(key.source, source.data(), 16);
    key.prefix_length = static_cast<std::uint8_t>(one.length);
    put(map_grants_v6, key, one.grant);
  }
  put(map_grant_records, one.grant.slot, one.record);
}

void World::failsafe_source() {
  const int family = random_.one_of({4, 6});
  gate_failsafe value{};
  value.owner = random_.one_of<std::uint32_t>({GATE_FAILSAFE_ADMIN, GATE_FAILSAFE_LOADER});
  const int length = random_.one_of({0, 8, 29, 32, whole(family)});
  put(map_failsafe_sources, prefix_key(family, random_.pick(names(family).clients), length), value);
}

// A flow from before the story, as the programs may have left it.
void World::flow(const Connection& connection) {
  gate_flow flow{};
  flow.tuple = tuple_of(connection.tuple, config_);
  const auto age = [&] { return std::uint64_t{1} + age_unit * random_.one_of({0U, 0U, 0U, 1U, 2U, 3U, 5U}); };
  const bool granted = !grants_.empty() && random_.percent(85);
  flow.flags =
      granted ? 0 : random_.one_of<std::uint32_t>({GATE_FLOW_MACHINE_OPENED, GATE_FLOW_ADOPTED, GATE_FLOW_LEARNED});
  if (connection.tuple.protocol == 17) flow.flags &= ~static_cast<std::uint32_t>(GATE_FLOW_MACHINE_OPENED);
  if (granted) {
    const Granted& by = random_.pick(grants_);
    flow.serial = by.grant.serial;
    flow.slot = by.grant.slot;
    flow.service = services_[by.service].service.id;
    if (by.record.ending == GATE_ENDING_CUT && random_.percent(80)) flow.flags |= GATE_FLOW_WATCHED;
    if (random_.percent(20)) flow.flags |= GATE_FLOW_PICKED_UP;
  }
  flow.cut_generation = control_.cut_generation - static_cast<std::uint32_t>(random_.below(2));
  flow.session_end_boot_ns = random_.percent(85) ? 0 : random_.one_of({long_ago, far_away});
  if (granted && flow.session_end_boot_ns == long_ago && random_.percent(50)) flow.flags |= GATE_FLOW_ENDED;
  flow.opened_coarse_ns = age();
  const auto side = [&](gate_flow_side& one, std::uint32_t next, std::uint32_t peer_next) {
    one = {.last_seen_coarse_ns = age(),
           .packets = 3,
           .bytes = 180,
           .seq_first = next - 30,
           .seq_next = next,
           .ack = peer_next,
           .flags = GATE_SIDE_SYN | GATE_SIDE_ACK_VALID | GATE_SIDE_ACKED_PEER | GATE_SIDE_SENT_DATA};
    if (random_.percent(30)) one.flags = static_cast<std::uint32_t>(random_.below(64));
    if (connection.tuple.protocol == 17) one = {age(), 3, 99, 0, 0, 0, 0};
  };
  side(flow.client, connection.client_next, connection.machine_next);
  side(flow.machine, connection.machine_next, connection.client_next);
  const bool half = random_.percent(35);
  const bool learned = flow.flags & GATE_FLOW_LEARNED;
  if (connection.tuple.family == 4)
    put(!half ? map_established_v4 : learned ? map_learning_v4 : map_half_open_v4,
        flow_key<gate_flow_key_v4>(connection.tuple), flow);
  else
    put(!half ? map_established_v6 : learned ? map_learning_v6 : map_half_open_v6,
        flow_key<gate_flow_key_v6>(connection.tuple), flow);
}

void World::change() {
  const auto what = random_.below(10);
  if (what < 6 && !grants_.empty()) {
    Granted& one = random_.pick(grants_);
    if (what == 0) {  // its time is over
      one.grant.deadline_boot_ns = one.record.deadline_boot_ns = long_ago;
    } else if (what == 1) {  // extended
      one.grant.deadline_boot_ns = one.record.deadline_boot_ns = far_away;
    } else if (what == 2) {
      one.record.state = GATE_RECORD_DRAINING;
    } else if (what == 3) {
      one.record.state = GATE_RECORD_CUT;
    } else {  // opened anew
      one.grant.serial += 1000;
      one.record = {one.grant.serial, far_away, one.record.session_max_ns, GATE_RECORD_LIVE,
                    random_.one_of<std::uint32_t>({GATE_ENDING_DRAIN, GATE_ENDING_CUT})};
      one.grant.deadline_boot_ns = far_away;
    }
    write(one);
    if (what == 3) {
      ++control_.cut_generation;
      put(map_control, std::uint32_t{0}, control_);
    }
    return;
  }
  if (what < 8 && !services_.empty()) {
    Guarded& one = random_.pick(services_);
    one.service.flags ^= GATE_SERVICE_ENFORCE;
    return write(one);
  }
  if (what == 8) {
    control_.flags ^= GATE_CONTROL_FAILSAFE_SOURCES;
    return put(map_control, std::uint32_t{0}, control_);
  }
  config_.established_per_grant_max = static_cast<std::uint32_t>(random_.below(4));
  config_.unconfirmed_boot_ns = random_.percent(85) ? 0 : random_.one_of({long_ago, far_away});
  put(map_config, std::uint32_t{0}, config_);
}

}  // namespace postern::model
