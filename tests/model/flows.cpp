// SPDX-License-Identifier: Apache-2.0
// Look-ups, the life of flows, and what outgoing packets teach.
#include "tests/model/model.hpp"

namespace postern::model {
namespace {

constexpr std::uint64_t second = 1'000'000'000;

std::uint64_t or_default(std::uint64_t configured, std::uint64_t seconds) {
  return configured != 0 ? configured : seconds * second;
}

bool is_over(std::uint64_t then, std::uint64_t idle, Clock now) {
  return now.coarse_ns > then && now.coarse_ns - then > idle;
}

template <class Key>
Key flow_key(const Tuple& tuple) {
  Key key{};
  std::memcpy(&key.client, tuple.client.data(), sizeof key.client);
  std::memcpy(&key.machine, tuple.machine.data(), sizeof key.machine);
  key.client_port_be = __builtin_bswap16(tuple.client_port);
  key.machine_port_be = __builtin_bswap16(tuple.machine_port);
  key.protocol = tuple.protocol;
  return key;
}

}  // namespace

std::uint64_t tuple_of(const Tuple& tuple, const gate_config& config) {
  if (tuple.family == 4) {
    const auto key = flow_key<gate_flow_key_v4>(tuple);
    return gate_flow_tuple_v4(&key, config.flow_seeds);
  }
  const auto key = flow_key<gate_flow_key_v6>(tuple);
  return gate_flow_tuple_v6(&key, config.flow_seeds);
}

namespace {

template <class Table>
gate_flow* find_flow(Table& table, const Tuple& tuple) {
  const auto found = table.find(flow_key<typename Table::key_type>(tuple));
  return found == table.end() ? nullptr : &found->second;
}

template <class Table>
std::optional<gate_service> find_service(const Table& table, const Tuple& tuple) {
  typename Table::key_type key{};
  std::memcpy(&key.address, tuple.machine.data(), sizeof key.address);
  key.port_be = __builtin_bswap16(tuple.machine_port);
  key.protocol = tuple.protocol;
  const auto found = table.find(key);
  return found == table.end() ? std::nullopt : std::optional{found->second};
}

}  // namespace

bool Model::is_guarded_port(std::uint8_t protocol, std::uint16_t port) const {
  const std::uint32_t word = (protocol == 17 ? GATE_GUARDED_PORTS_UDP_WORD : 0U) + port / 64U;
  const auto bits = tables.guarded_ports.find(word);
  return bits != tables.guarded_ports.end() && (bits->second >> port % 64 & 1);
}

std::optional<gate_service> Model::service_at(const Tuple& tuple) const {
  const auto exact =
      tuple.family == 4 ? find_service(tables.services_v4, tuple) : find_service(tables.services_v6, tuple);
  if (exact || !(control_of(tables).flags & GATE_CONTROL_SERVICE_PREFIXES)) return exact;
  return longest_prefix(tables.service_prefixes, tuple.family, tuple.machine, tuple.protocol, tuple.machine_port);
}

bool Model::is_failsafe(const Tuple& tuple) const {
  const bool in_use = config_of(tables).flags & GATE_CONFIG_FAILSAFE_SOURCES ||
                      control_of(tables).flags & GATE_CONTROL_FAILSAFE_SOURCES;
  return in_use && longest_prefix(tables.failsafe_sources, tuple.family, tuple.client);
}

gate_flow* Model::established(const Tuple& tuple) {
  return tuple.family == 4 ? find_flow(tables.established_v4, tuple) : find_flow(tables.established_v6, tuple);
}

// What is being learned stands in a table of its own, and is asked for second.
gate_flow* Model::half_open(const Tuple& tuple) {
  gate_flow* flow = tuple.family == 4 ? find_flow(tables.half_open_v4, tuple) : find_flow(tables.half_open_v6, tuple);
  if (flow != nullptr) return flow;
  return tuple.family == 4 ? find_flow(tables.learning_v4, tuple) : find_flow(tables.learning_v6, tuple);
}

void Model::put_established(const Tuple& tuple, const gate_flow& flow) {
  if (tuple.family == 4)
    tables.established_v4[flow_key<gate_flow_key_v4>(tuple)] = flow;
  else
    tables.established_v6[flow_key<gate_flow_key_v6>(tuple)] = flow;
}

void Model::put_half_open(const Tuple& tuple, const gate_flow& flow) {
  const bool learned = flow.flags & GATE_FLOW_LEARNED;
  if (tuple.family == 4)
    (learned ? tables.learning_v4 : tables.half_open_v4)[flow_key<gate_flow_key_v4>(tuple)] = flow;
  else
    (learned ? tables.learning_v6 : tables.half_open_v6)[flow_key<gate_flow_key_v6>(tuple)] = flow;
  ++tallies[gate_tally_half_open_created];
}

// The one that half_open() finds.
void Model::erase_half_open(const Tuple& tuple) {
  if (tuple.family == 4) {
    const auto key = flow_key<gate_flow_key_v4>(tuple);
    if (tables.half_open_v4.erase(key) == 0) tables.learning_v4.erase(key);
  } else {
    const auto key = flow_key<gate_flow_key_v6>(tuple);
    if (tables.half_open_v6.erase(key) == 0) tables.learning_v6.erase(key);
  }
}

// An established flow no longer counts for its grant, or among those that were learned. One whose end was told did not.
void Model::release(const gate_flow& flow) {
  if (flow.flags & GATE_FLOW_ENDED) return;
  gate_usage& usage = flow.flags & GATE_FLOW_LEARNED ? tables.learned_usage[0] : tables.grant_usage[flow.slot];
  const bool counts = flow.flags & GATE_FLOW_LEARNED || (flow.serial != 0 && usage.serial == flow.serial);
  if (counts && usage.established > 0) --usage.established;
}

void Model::erase_established(const Tuple& tuple) {
  release(*established(tuple));
  if (tuple.family == 4)
    tables.established_v4.erase(flow_key<gate_flow_key_v4>(tuple));
  else
    tables.established_v6.erase(flow_key<gate_flow_key_v6>(tuple));
  ++tallies[gate_tally_established_deleted];
}

// Idle too long, closed and lingered, or the machine has a new connection on this tuple.
// Open: a UDP flow lives by the machine's packets alone also while its grant is live; the grant then admits anew.
bool Model::is_dead(const Parsed& packet, const gate_flow& flow, Clock now) const {
  const gate_config config = config_of(tables);
  if (flow.machine.flags & GATE_SIDE_REOPENED) return true;
  const std::uint64_t by_machine = std::max<std::uint64_t>(flow.machine.last_seen_coarse_ns, flow.opened_coarse_ns);
  if (packet.tuple.protocol == 17) return is_over(by_machine, or_default(config.udp_established_idle_ns, 120), now);
  const std::uint64_t by_either = std::max<std::uint64_t>(by_machine, flow.client.last_seen_coarse_ns);
  if (is_closed(flow)) return is_over(by_either, or_default(config.tcp_closed_linger_ns, 120), now);
  // Limited in length: remembered for five days at least, or it would begin anew.
  const std::uint64_t idle = or_default(config.tcp_established_idle_ns, 432000);
  const bool limited = flow.session_end_boot_ns != 0 && flow.serial != 0;
  return is_over(by_either, limited ? std::max(idle, or_default(0, 432000)) : idle, now);
}

bool Model::is_stale(const Parsed& packet, const gate_flow& flow, Clock now) const {
  const gate_config config = config_of(tables);
  const std::uint64_t idle = packet.tuple.protocol == 17 ? or_default(config.udp_half_open_idle_ns, 30)
                                                         : or_default(config.tcp_half_open_idle_ns, 60);
  return is_over(std::max<std::uint64_t>(flow.client.last_seen_coarse_ns, flow.machine.last_seen_coarse_ns), idle, now);
}

bool Model::has_live_grant(const gate_flow& flow, Clock now) const {
  const auto record = tables.grant_records.find(flow.slot);
  if (record == tables.grant_records.end() || flow.serial == 0) return false;
  const gate_record& grant = record->second;
  const bool before = grant.deadline_boot_ns == GATE_NO_DEADLINE || now.boot_ns < grant.deadline_boot_ns;
  return grant.serial == flow.serial && grant.state == GATE_RECORD_LIVE && before;
}

// The flow's grant ended in cut mode. The record is looked at if something was cut since the last look, or if the grant
// is known to end that way by itself; of such a flow the grant is over if the record is another's by now.
bool Model::is_cut(gate_flow& flow, const Judging& it) const {
  const std::uint32_t generation = control_of(tables).cut_generation;
  const bool watched = flow.flags & GATE_FLOW_WATCHED;
  const auto found = tables.grant_records.find(flow.slot);
  if (flow.serial == 0 || found == tables.grant_records.end()) return false;
  if (!watched && flow.cut_generation == generation) return false;
  const gate_record& record = found->second;
  if (record.serial != flow.serial || record.state == GATE_RECORD_VACANT) return watched;
  if (record.state == GATE_RECORD_CUT) return true;
  const bool over = record.deadline_boot_ns != GATE_NO_DEADLINE && it.now.boot_ns >= record.deadline_boot_ns;
  if (record.state == GATE_RECORD_LIVE && record.ending == GATE_ENDING_CUT && over) return true;
  if (!it.explain && flow.cut_generation != generation) {
    flow.cut_generation = generation;
    flow.flags &= ~static_cast<std::uint32_t>(GATE_FLOW_WATCHED);
    if (record.ending == GATE_ENDING_CUT) flow.flags |= GATE_FLOW_WATCHED;
  }
  return false;
}

// Puts the flow under the grant that admits. A session's longest time counts from its beginning.
void Model::bind(gate_flow& flow, const Judging& it) const {
  flow.serial = it.answer.serial;
  flow.slot = it.answer.slot;
  flow.service = it.service.id;
  flow.cut_generation = control_of(tables).cut_generation;
  flow.session_end_boot_ns = 0;
  flow.flags &= ~static_cast<std::uint32_t>(GATE_FLOW_WATCHED | GATE_FLOW_LEARNED | GATE_FLOW_ENDED);
  if (it.learned) flow.flags |= GATE_FLOW_LEARNED;
  const auto found = tables.grant_records.find(flow.slot);
  if (found == tables.grant_records.end() || found->second.serial != flow.serial || flow.serial == 0) return;
  const gate_record& record = found->second;
  if (record.state == GATE_RECORD_CUT) --flow.cut_generation;  // so that the next packet looks at the record
  if (record.ending == GATE_ENDING_CUT) flow.flags |= GATE_FLOW_WATCHED;
  if (record.session_max_ns != 0) flow.session_end_boot_ns = flow.opened_boot_ns + record.session_max_ns;
}

// From half-open to established, unless the grant, or what was learned, is at its cap: then the next packet tries again.
bool Model::establish(const Tuple& tuple) {
  const gate_flow flow = *half_open(tuple);
  const bool learned = flow.flags & GATE_FLOW_LEARNED;
  gate_usage& usage = learned ? tables.learned_usage[0] : tables.grant_usage[flow.slot];
  const gate_config config = config_of(tables);
  const std::uint32_t most = config.learned_max != 0 ? config.learned_max : GATE_LEARNED_MAX;
  const std::uint32_t cap = learned ? most : config.established_per_grant_max;
  if (learned || (flow.serial != 0 && usage.serial == flow.serial)) {
    if (cap != 0 && usage.established >= cap) return ++tallies[gate_tally_established_failed], false;
    ++usage.established;
  }
  if (const gate_flow* old = established(tuple)) release(*old);
  put_established(tuple, flow);
  erase_half_open(tuple);
  ++tallies[gate_tally_established_created];
  return true;
}

// The client's packet on a half-open flow of its own.
void Model::advance(gate_flow& flow, const Parsed& packet, Clock now) {
  if (packet.tcp()) note_sequence(flow.client, packet);
  note_packet(flow.client, packet, 1, now);
  // UDP without a grant: the machine has answered, and the client goes on.
  if (!packet.tcp() && flow.flags & GATE_FLOW_LEARNED && flow.machine.packets > 0) return void(establish(packet.tuple));
  if (!packet.tcp() || packet.rst || is_closed(flow)) return;
  if (acknowledges(packet, flow.machine)) flow.client.flags |= GATE_SIDE_ACKED_PEER;
  if (flow.client.flags & flow.machine.flags & GATE_SIDE_ACKED_PEER) establish(packet.tuple);
}

void Model::learn(std::span<const std::uint8_t> frame, std::uint32_t segments, bool sent_back, Clock now) {
  Parsed packet = parse(frame);
  Tuple& tuple = packet.tuple;
  if (packet.kind != Kind::ported) return;
  std::swap(tuple.client, tuple.machine);
  std::swap(tuple.client_port, tuple.machine_port);
  if (!is_guarded_port(tuple.protocol, tuple.machine_port)) return;
  segments = std::max(segments, 1U);
  if (packet.opens()) {
    if (!sent_back) learn_opening(packet, segments, now);
    return;
  }
  if (packet.tcp() && packet.syn && packet.ack && !packet.rst && learn_answer(packet, segments, now)) return;
  if (gate_flow* flow = established(tuple); flow != nullptr && !is_dead(packet, *flow, now))
    return note_machine(*flow, packet, segments, now);
  gate_flow* flow = half_open(tuple);
  if (flow == nullptr) return;
  note_machine(*flow, packet, segments, now);
  if (!packet.tcp() && has_live_grant(*flow, now)) establish(tuple);
}

namespace {

bool began_with(const gate_flow& flow, const Parsed& packet) {
  return flow.machine.flags & GATE_SIDE_SYN && flow.machine.seq_first == packet.sequence + 1;
}

}  // namespace

// Whatever was established on the tuple is over, unless it began with this very packet.
void Model::machine_reopened(const Parsed& packet) {
  gate_flow* flow = established(packet.tuple);
  if (flow != nullptr && !began_with(*flow, packet)) flow->machine.flags |= GATE_SIDE_REOPENED;
}

// A machine connects from a guarded port.
void Model::learn_opening(const Parsed& packet, std::uint32_t segments, Clock now) {
  const auto service = service_at(packet.tuple);
  if (!service) return;
  const gate_flow* known = established(packet.tuple);
  if (known != nullptr && known->flags & GATE_FLOW_MACHINE_OPENED && began_with(*known, packet)) return;
  gate_flow* half = half_open(packet.tuple);
  if (half != nullptr && !is_stale(packet, *half, now)) {
    if (!(half->flags & GATE_FLOW_MACHINE_OPENED)) return;  // a client is connecting on this tuple under a grant
    if (half->machine.seq_first == packet.sequence + 1) return note_packet(half->machine, packet, segments, now);
  }
  gate_flow fresh{};
  fresh.tuple = tuple_of(packet.tuple, config_of(tables));
  fresh.opened_coarse_ns = now.coarse_ns;
  fresh.opened_boot_ns = now.boot_ns;
  fresh.service = service->id;
  fresh.flags = GATE_FLOW_MACHINE_OPENED;
  note_sequence(fresh.machine, packet);
  fresh.machine.flags |= GATE_SIDE_SYN;
  note_packet(fresh.machine, packet, segments, now);
  put_half_open(packet.tuple, fresh);
  ++tallies[gate_tally_machine_opened];
  machine_reopened(packet);
}

// The machine's SYN-ACK to a SYN that a grant let in; false: it answers another one than the one remembered.
bool Model::learn_answer(const Parsed& packet, std::uint32_t segments, Clock now) {
  gate_flow* flow = half_open(packet.tuple);
  if (flow == nullptr || flow->flags & GATE_FLOW_MACHINE_OPENED || !(flow->client.flags & GATE_SIDE_SYN)) return false;
  machine_reopened(packet);
  if (!acknowledges(packet, flow->client)) return false;
  flow->machine.seq_first = packet.sequence + 1;
  flow->machine.seq_next = sequence_end(packet);
  flow->machine.ack = packet.acknowledgment;
  flow->machine.flags |= GATE_SIDE_SYN | GATE_SIDE_ACK_VALID | GATE_SIDE_ACKED_PEER;
  note_packet(flow->machine, packet, segments, now);
  return true;
}

}  // namespace postern::model
