// SPDX-License-Identifier: Apache-2.0
// The stages, in their order.
#include "tests/model/model.hpp"

namespace postern::model {

gate_verdict verdict_of(int reason) {
#define POSTERN_MODEL_VERDICT(name, number, verdict, text) \
  if (reason == (number)) return verdict;
  GATE_REASONS(POSTERN_MODEL_VERDICT)
#undef POSTERN_MODEL_VERDICT
  return GATE_DROP;
}

std::string name_of(int reason) {
#define POSTERN_MODEL_NAME(name, number, verdict, text) \
  if (reason == (number)) return #name;
  GATE_REASONS(POSTERN_MODEL_NAME)
#undef POSTERN_MODEL_NAME
  return std::to_string(reason);
}

Answer Model::judge(std::span<const std::uint8_t> frame, Clock now, bool explain) {
  const Parsed packet = parse(frame);
  Judging it{.packet = packet, .now = now, .explain = explain};
  Answer& answer = it.answer;
  answer.why = answer.final = find_reason(it);
  if (verdict_of(answer.why) == GATE_DROP) {
    const std::uint64_t unconfirmed = config_of(tables).unconfirmed_boot_ns;
    if (unconfirmed != 0 && now.boot_ns >= unconfirmed)
      answer.final = gate_reason_unconfirmed;
    else if (!it.enforces)
      answer.final = gate_reason_monitored;
  }
  answer.passes = verdict_of(answer.final) == GATE_PASS;
  if (explain) return answer;
  for (const gate_reason reason : {answer.why, answer.final}) {
    gate_counter& counter = counters[reason];
    ++counter.packets;
    counter.bytes += packet.ip_bytes;
    if (answer.why == answer.final) break;
  }
  if (answer.passes && packet.first_fragment) remember_fragment(it);
  return answer;
}

gate_reason Model::find_reason(Judging& it) {
  switch (it.packet.kind) {
    case Kind::not_ip:
      return gate_reason_not_ip;
    case Kind::hidden:
      it.enforces = true;
      return gate_reason_unreadable;
    case Kind::link_control:
      return gate_reason_link_control;
    case Kind::portless:
      return gate_reason_portless;
    case Kind::malformed:
    case Kind::cut_fragment:
    case Kind::later_fragment:
    case Kind::tunnel:
      return by_address(it);
    case Kind::ported:
      return by_ports(it);
    case Kind::error:
      // The quoted packet, turned around, would pass: so does what speaks of it.
      return verdict_of(by_ports(it)) == GATE_PASS ? gate_reason_related : gate_reason_unrelated;
  }
  return gate_reason_undecided;
}

// Packets that show no ports to judge.
// Open: of several prefixes around an address the longest says whether it enforces; who writes the tables sees to it
// that this one knows of the others. A malformed packet drops although its source is failsafe: its source may be a lie,
// too.
gate_reason Model::by_address(Judging& it) {
  const Kind kind = it.packet.kind;
  const auto address = longest_prefix(tables.guarded_addresses, it.packet.tuple.family, it.packet.tuple.machine);
  if (!address) {
    if (kind == Kind::tunnel) return gate_reason_portless;
    return kind == Kind::later_fragment ? gate_reason_unguarded : gate_reason_unreadable_unguarded;
  }
  it.enforces = address->flags & GATE_ADDRESS_ENFORCE;
  if (kind == Kind::malformed) return gate_reason_malformed;
  if (is_failsafe(it.packet.tuple)) return gate_reason_failsafe;
  if (kind == Kind::cut_fragment) return gate_reason_fragment_tiny;
  if (kind == Kind::later_fragment) return by_first_fragment(it);
  return address->flags & GATE_ADDRESS_TUNNELS ? gate_reason_portless : gate_reason_tunnel;
}

namespace {

gate_fragment_key fragment_key(const Parsed& packet) {
  gate_fragment_key key{};
  std::memcpy(key.source, packet.tuple.client.data(), 16);
  std::memcpy(key.destination, packet.tuple.machine.data(), 16);
  key.id_be = packet.fragment_id_be;
  key.protocol = packet.fragment_protocol;
  key.family = static_cast<std::uint8_t>(packet.tuple.family);
  return key;
}

bool is_over(std::uint64_t then, std::uint64_t idle, Clock now) {
  return now.coarse_ns > then && now.coarse_ns - then > idle;
}

constexpr std::uint64_t second = 1'000'000'000;

std::uint64_t fragment_idle(const Tables& tables) {
  const std::uint64_t configured = config_of(tables).fragment_idle_ns;
  return configured != 0 ? configured : 30 * second;
}

}  // namespace

gate_reason Model::by_first_fragment(const Judging& it) const {
  const auto first = tables.fragments.find(fragment_key(it.packet));
  if (first == tables.fragments.end() || is_over(first->second.seen_coarse_ns, fragment_idle(tables), it.now))
    return gate_reason_fragment_unknown;
  return it.packet.fragment_begin < first->second.data_end ? gate_reason_fragment_overlap
                                                           : gate_reason_fragment_follows;
}

// Of two first fragments that passed, the one that reaches further stays remembered.
void Model::remember_fragment(const Judging& it) {
  if (!longest_prefix(tables.guarded_addresses, it.packet.tuple.family, it.packet.tuple.machine)) return;
  const gate_fragment_key key = fragment_key(it.packet);
  const auto known = tables.fragments.find(key);
  gate_fragment fresh{it.now.coarse_ns, static_cast<std::uint32_t>(it.answer.final), it.packet.fragment_end};
  if (known != tables.fragments.end() && !is_over(known->second.seen_coarse_ns, fragment_idle(tables), it.now))
    fresh.data_end = std::max(fresh.data_end, known->second.data_end);
  tables.fragments[key] = fresh;
}

gate_reason Model::by_ports(Judging& it) {
  const Tuple& tuple = it.packet.tuple;
  if (!is_guarded_port(tuple.protocol, tuple.machine_port)) return gate_reason_unguarded;
  const auto service = service_at(tuple);
  if (!service) return gate_reason_unguarded;
  it.service = *service;
  it.answer.service = service->id;
  it.enforces = service->flags & GATE_SERVICE_ENFORCE;
  if (service->flags & GATE_SERVICE_FAILSAFE || is_failsafe(tuple)) return gate_reason_failsafe;
  const bool opens = it.packet.kind == Kind::ported && it.packet.opens();  // I4: never answered from the tables
  if (!opens) {
    if (const gate_reason why = by_flow(it)) return why;
  }
  return by_grant(it);
}

gate_reason Model::by_flow(Judging& it) {
  const auto told_by = [&](gate_reason why, const gate_flow& flow) {
    if (why) it.answer.serial = flow.serial, it.answer.slot = flow.slot;
    return why;
  };
  if (gate_flow* flow = established(it.packet.tuple)) {
    const gate_flow before = *flow;
    const gate_reason why = by_established(*flow, it);
    if (why || it.cut_serial) return told_by(why, before);
  }
  gate_flow* flow = half_open(it.packet.tuple);
  if (!flow) return gate_reason_undecided;
  const gate_flow before = *flow;
  return told_by(by_half_open(*flow, it), before);
}

gate_reason Model::by_established(gate_flow& flow, Judging& it) {
  const bool overlong = flow.session_end_boot_ns != 0 && it.now.boot_ns >= flow.session_end_boot_ns;
  if (is_dead(it.packet, flow, it.now) || (overlong && flow.serial == 0)) {
    if (it.writes()) erase_established(it.packet.tuple);
    return gate_reason_undecided;
  }
  // A session's longest time ends it whoever is granted what: asking again means connecting again. One without a grant
  // was cut by nobody: it is over.
  if (overlong) return gate_reason_flow_cut;
  if (is_cut(flow, it)) {
    it.cut_serial = flow.serial;
    return gate_reason_undecided;
  }
  if (it.writes()) note_client(flow, it.packet, it.now);
  return gate_reason_flow;
}

gate_reason Model::by_half_open(gate_flow& flow, Judging& it) {
  // TCP of a live grant that is over-long stays refused; UDP until it has been silent.
  const bool overlong = flow.serial != 0 && flow.session_end_boot_ns != 0 && it.now.boot_ns >= flow.session_end_boot_ns &&
                        has_live_grant(flow, it.now);
  const bool tcp = it.packet.tuple.protocol == 6;
  if (!(overlong && tcp) && is_stale(it.packet, flow, it.now)) return gate_reason_undecided;
  if (overlong) return gate_reason_flow_cut;
  if (flow.flags & GATE_FLOW_MACHINE_OPENED) return by_machine_opened(flow, it);
  if (flow.flags & GATE_FLOW_LEARNED) return by_learned(flow, it);
  if (!has_live_grant(flow, it.now) || is_overtaken(it.packet, flow)) return gate_reason_undecided;
  if (it.writes()) advance(flow, it.packet, it.now);
  return gate_reason_flow_half_open;
}

// Only a SYN-ACK or an RST that acknowledges the machine's SYN gets in.
// Open: if the table had no room for it then, later packets get in as soon as there is.
gate_reason Model::by_machine_opened(gate_flow& flow, Judging& it) {
  const Parsed& packet = it.packet;
  if (packet.kind == Kind::error) return gate_reason_machine_opened;
  if (!acknowledges(packet, flow.machine)) return gate_reason_undecided;
  if (packet.rst) {
    if (it.writes()) erase_half_open(packet.tuple);
    return gate_reason_machine_opened;
  }
  if (packet.syn) {
    if (!it.writes()) return gate_reason_machine_opened;
    note_sequence(flow.client, packet);
    note_packet(flow.client, packet, 1, it.now);
    flow.client.flags |= GATE_SIDE_SYN | GATE_SIDE_ACKED_PEER;
    establish(packet.tuple);
    return gate_reason_machine_opened;
  }
  const bool answered = flow.client.flags & GATE_SIDE_SYN;
  return answered && it.writes() && establish(packet.tuple) ? gate_reason_machine_opened : gate_reason_undecided;
}

// Begun without a grant while its service learned: only the packet that proves both sides passes.
gate_reason Model::by_learned(gate_flow& flow, Judging& it) {
  const bool proven = flow.machine.flags & GATE_SIDE_ACKED_PEER && acknowledges(it.packet, flow.machine);
  if (it.packet.kind != Kind::ported || !it.packet.tcp() || it.packet.rst || is_closed(flow) || !proven)
    return gate_reason_undecided;
  if (it.writes()) advance(flow, it.packet, it.now);
  return gate_reason_flow;
}

gate_reason Model::by_grant(Judging& it) {
  const auto grant = covering_grant(it);
  if (!grant) {
    if (it.cut_serial) return gate_reason_flow_cut;
    it.learned = it.service.flags & GATE_SERVICE_LEARN && !it.enforces;
    if (it.learned && it.writes()) remember_admitted(it);
    return gate_reason_no_grant;
  }
  it.answer.serial = grant->serial;
  it.answer.slot = grant->slot;
  if (it.writes()) remember_admitted(it);
  return grant->flags & GATE_GRANT_STANDING ? gate_reason_standing_rule : gate_reason_grant;
}

// Open: the key's deadline alone admits. Whoever ends a grant early changes record and key; between the two writes a
// new connection may still begin, and loses its half-open flow with the next packet.
std::optional<gate_grant> Model::covering_grant(const Judging& it) const {
  const auto admits = [&](const gate_grant& grant) {
    const bool live = grant.deadline_boot_ns == GATE_NO_DEADLINE || it.now.boot_ns < grant.deadline_boot_ns;
    return live && grant.service == it.service.id && it.cut_serial != grant.serial;
  };
  const Tuple& tuple = it.packet.tuple;
  for (std::uint32_t i = 0; i < it.service.prefix_lengths && i < GATE_PREFIX_LENGTHS_MAX; ++i) {
    const std::uint8_t length = it.service.prefix_length[i];
    const auto matches = [&](const auto& key) {
      return key.service == it.service.id && key.prefix_length == length &&
             starts_with(tuple.client, reinterpret_cast<const std::uint8_t*>(&key.source), length);
    };
    if (tuple.family == 4) {
      for (const auto& [key, grant] : tables.grants_v4)
        if (matches(key) && admits(grant)) return grant;
    } else {
      for (const auto& [key, grant] : tables.grants_v6)
        if (matches(key) && admits(grant)) return grant;
    }
  }
  return std::nullopt;
}

void Model::remember_admitted(Judging& it) {
  const Parsed& packet = it.packet;
  if (it.cut_serial) {  // a cut flow lives on under this grant, whatever its cap
    gate_flow* flow = established(packet.tuple);
    release(*flow);
    bind(*flow, it);
    gate_usage& usage = tables.grant_usage[flow->slot];
    if (flow->serial != 0 && usage.serial == flow->serial) ++usage.established;
    return note_client(*flow, packet, it.now);
  }
  gate_flow* flow = half_open(packet.tuple);
  const bool lives = flow != nullptr && !is_stale(packet, *flow, it.now);
  const bool machine_opened = flow != nullptr && flow->flags & GATE_FLOW_MACHINE_OPENED;
  // What is learned and what is granted never turn into one another.
  const bool learned = flow != nullptr && flow->flags & GATE_FLOW_LEARNED;
  const bool same_kind = machine_opened || learned == it.learned;
  bool keep = false;
  if (flow == nullptr || !same_kind) {
    keep = false;
  } else if (packet.opens()) {  // the same SYN once more must not forget the answer to it
    keep = lives && !machine_opened && !is_closed(*flow) && flow->client.flags & GATE_SIDE_SYN &&
           flow->client.seq_first == packet.sequence + 1;
  } else if (lives && machine_opened) {
    return;  // the machine waits for the answer to its own SYN
  } else {
    keep = lives && !is_overtaken(packet, *flow);
  }
  if (keep) {
    if (!it.learned) bind(*flow, it);
    return advance(*flow, packet, it.now);
  }
  if (packet.rst && packet.tcp()) return;  // ends what it is about, begins nothing
  if (flow != nullptr) erase_half_open(packet.tuple);
  gate_flow fresh{};
  fresh.tuple = tuple_of(packet.tuple, config_of(tables));
  fresh.opened_coarse_ns = it.now.coarse_ns;
  fresh.opened_boot_ns = it.now.boot_ns;
  bind(fresh, it);
  if (it.learned && !packet.tcp()) {
    const std::uint64_t longest = config_of(tables).udp_without_grant_session_ns;
    fresh.session_end_boot_ns = it.now.boot_ns + (longest != 0 ? longest : 3600 * second);
  }
  gate_usage& usage = tables.grant_usage[fresh.slot];
  if (fresh.serial != 0 && usage.serial == fresh.serial) ++usage.admitted;
  if (packet.tcp()) {
    note_sequence(fresh.client, packet);
    if (packet.opens()) {
      fresh.client.flags |= GATE_SIDE_SYN;
    } else {
      fresh.flags |= GATE_FLOW_PICKED_UP;
      if (!it.learned) ++tallies[gate_tally_picked_up];
    }
  }
  note_packet(fresh.client, packet, 1, it.now);
  put_half_open(packet.tuple, fresh);
}

}  // namespace postern::model
