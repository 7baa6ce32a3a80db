// SPDX-License-Identifier: Apache-2.0
// See exposure.hpp; and how exposure is shown.
#include "controlplane/core/exposure.hpp"

#include <algorithm>

#include "controlplane/core/actions.hpp"
#include "controlplane/core/gatekeeper.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

constexpr std::chrono::seconds look_period{10};
constexpr std::chrono::seconds look_again{1};  // for whoever asks

std::vector<Prefix> prefixes(std::initializer_list<const char*> texts) {
  std::vector<Prefix> result;
  for (const auto* text : texts) result.push_back(parse_prefix(text).value());
  return result;
}

// RFC 1918, 4193, 6598, link-local and loopback.
bool is_private(const Address& address) {
  static const auto blocks =
      prefixes({"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8",
                "fc00::/7", "fe80::/10", "::1/128"});
  return std::any_of(blocks.begin(), blocks.end(), [&](const Prefix& block) { return block.contains(address); });
}

std::uint8_t whole(const Address& address) {
  return address.family == Family::ipv4 ? 32 : 128;
}

bool is_neighbour(const Address& a, const Address& b) {
  const std::size_t bytes = a.family == Family::ipv4 ? 3 : 8;
  return a.family == b.family && std::equal(a.bytes.begin(), a.bytes.begin() + bytes, b.bytes.begin());
}

}  // namespace

std::string_view wire_name(Severity severity) {
  return severity == Severity::high ? "high" : severity == Severity::medium ? "medium" : "low";
}

Severity severity_of(const Address& machine, const Address& peer) {
  if (is_neighbour(machine, peer)) return Severity::low;
  return is_private(peer) ? Severity::medium : Severity::high;
}

void ExposureBook::note(const Answer& answer, const Now& now) {
  const auto utc = [&](BootTime time) { return now.utc - (now.boot - time); };
  const auto [found, is_new] = seen_.try_emplace(Key(answer.address, answer.port));
  auto& seen = found->second;
  if (is_new) {
    seen.first = utc(answer.first);
    seen.epoch = answer.first;
  } else if (seen.epoch != answer.first) {  // the gate had forgotten it
    seen.before = seen.count;
    seen.epoch = answer.first;
  }
  seen.count = seen.before + answer.count;
  seen.last = std::max(seen.last, utc(answer.last));
  for (const auto& peer : answer.peers) {
    seen.severity = std::max(seen.severity, severity_of(answer.address, peer.address));
    auto& known = seen.peers.try_emplace(peer.address, ExposurePeer{peer.address, utc(peer.first), {}, 0}).first->second;
    known.last = utc(peer.last);
    known.count = peer.count;
  }
  while (seen.peers.size() > answer_peers_max) {
    seen.peers.erase(std::min_element(seen.peers.begin(), seen.peers.end(),
                                      [](const auto& a, const auto& b) { return a.second.last < b.second.last; }));
  }
}

void ExposureBook::forget_before(UtcTime time) {
  std::erase_if(seen_, [&](const auto& each) { return each.second.last < time; });
}

// The machines by their addresses, so that many answers cost no more than the machines do.
struct Gatekeeper::Parts::Owners {
  std::map<ExposureBook::Key, const Machine*> forwards;
  std::map<Address, const Machine*> exact;
  std::vector<std::pair<Prefix, const Machine*>> blocks;

  explicit Owners(const Ledger& ledger) {
    for (const auto& [key, machine] : ledger.machines()) {
      for (const auto& forward : machine.forwards) {
        if (forward.protocol == Protocol::tcp) forwards[{forward.address, forward.port}] = &machine;
      }
      for (const auto& address : machine.addresses) {
        if (address.length == whole(address.address)) {
          exact[address.address] = &machine;
        } else {
          blocks.emplace_back(address, &machine);
        }
      }
    }
  }

  const Machine* of(const ExposureBook::Key& key) const {
    if (const auto found = forwards.find(key); found != forwards.end()) return found->second;
    if (const auto found = exact.find(key.first); found != exact.end()) return found->second;
    for (const auto& [block, machine] : blocks) {
      if (block.contains(key.first)) return machine;
    }
    return nullptr;
  }
};

bool Gatekeeper::Parts::is_guarded(const ExposureBook::Key& key, const Owners& owners) const {
  const auto guarded = [&](const Prefix& address) {
    const auto* service = ledger.services().find({address, key.second, Protocol::tcp});
    return service && service->owners > 0;
  };
  return guarded({key.first, whole(key.first)}) || std::any_of(owners.blocks.begin(), owners.blocks.end(), [&](const auto& block) {
           return block.first.contains(key.first) && guarded(block.first);
         });
}

void Gatekeeper::Parts::look_at_exposure(bool asked) {
  const auto now = clock.now();
  const bool due = !exposure_at || now.boot - *exposure_at >= (asked ? look_again : look_period);
  if (!due && !asked) return;
  const Owners owners(ledger);
  auto answers = due ? dataplane.answers() : Result<std::vector<Answer>>(std::vector<Answer>());
  if (due && answers) {  // a gate that is away is told of elsewhere
    exposure_at = now.boot;
    // Nobody who is not behind this gateway answers through it: a machine made that address up.
    std::erase_if(*answers, [&](const Answer& answer) {
      if (owners.of({answer.address, answer.port})) return false;
      const auto reach = dataplane.route_to({answer.address, whole(answer.address)}).reach;
      return reach == Reach::none || reach == Reach::outside;
    });
    exposure.take(*answers, now, [&](const ExposureBook::Key& key) { return owners.of(key); });
  }
  exposed.clear();
  for (const auto& [key, seen] : exposure.seen()) {
    if (is_guarded(key, owners)) continue;
    const auto* machine = owners.of(key);
    exposed[machine ? folded(machine->id) : ""].push_back(key);
  }
  warnings.erase("exposure");
  if (exposure.crowded()) {
    warnings["exposure"] = "More than " + std::to_string(unknown_answers_max) +
                           " addresses and ports of no registered machine answer from behind the gate: either machines are "
                           "missing here (postern machine import), or one of them forges answers; `postern exposure` lists them.";
  }
}

std::string Gatekeeper::Parts::exposure_of(const Machine& machine) const {
  const auto found = exposed.find(folded(machine.id));
  if (found == exposed.end()) return "";
  std::vector<std::string> ports;
  auto severity = Severity::low;
  for (const auto& key : found->second) {
    const auto& seen = exposure.seen().at(key);
    severity = std::max(severity, seen.severity);
    ports.push_back(to_string(key.first) + " port " + std::to_string(key.second));
  }
  return "It answers at " + joined(ports) + ", which no policy guards (severity " + std::string(wire_name(severity)) +
         "): postern policy enable " + machine.name + ".";
}

Result<std::vector<ExposureView>> Gatekeeper::list_exposure(const Caller& caller) {
  auto& p = *parts_;
  if (!p.allows_anywhere(caller.principal, actions::machine_read)) {
    if (auto error = p.refused_read(caller, "exposure.list", actions::machine_read, "/")) return *error;
  }
  p.look_at_exposure(true);
  std::vector<ExposureView> views;
  const auto add = [&](ExposureView view, const std::vector<ExposureBook::Key>& keys) {
    for (const auto& key : keys) {
      const auto& seen = p.exposure.seen().at(key);
      ExposedService service{key.first, key.second, seen.severity, seen.first, seen.last, seen.count, {}};
      for (const auto& [address, peer] : seen.peers) service.peers.push_back(peer);
      std::sort(service.peers.begin(), service.peers.end(), [](const auto& a, const auto& b) { return b.last < a.last; });
      view.severity = std::max(view.severity, seen.severity);
      view.services.push_back(std::move(service));
    }
    views.push_back(std::move(view));
  };
  for (const auto& [id, keys] : p.exposed) {
    if (const auto* machine = id.empty() ? nullptr : p.ledger.machine(id)) {
      if (p.allows(caller.principal, actions::machine_read, machine->id)) add({machine->id, machine->name, Severity::low, {}}, keys);
    } else if (id.empty() && p.allows(caller.principal, actions::machine_read, "/")) {
      for (auto key = keys.begin(); key != keys.end();) {  // they stand by address
        const auto next = std::find_if(key, keys.end(), [&](const auto& each) { return each.first != key->first; });
        add({"", "", Severity::low, {}}, {key, next});
        key = next;
      }
    }
  }
  std::stable_sort(views.begin(), views.end(), [](const auto& a, const auto& b) { return b.severity < a.severity; });
  return views;
}

}  // namespace postern::core
