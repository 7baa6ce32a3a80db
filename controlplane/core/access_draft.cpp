// SPDX-License-Identifier: Apache-2.0
// Reads the body of a request for access, and of its revocation (docs/azure-api.md).
#include <algorithm>
#include <set>

#include "controlplane/core/drafts.hpp"
#include "controlplane/core/resource_id.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

constexpr std::size_t justification_characters_max = 1024;
constexpr std::chrono::seconds start_tolerance{60};

// `Draft`: has end_time and duration. `target`: where they stand; empty: in the body itself.
template <class Draft>
std::optional<UtcTime> read_end(const Draft& draft, const std::string& target, UtcTime now, Faults& faults,
                                const char* what_is_now = " is not in the future; the gate's clock says ") {
  const auto below = target.empty() ? "" : target + ".";
  if (draft.end_time && draft.duration) {
    faults.add(target, "Only one of endTimeUtc and duration may be given.");
    return std::nullopt;
  }
  if (!draft.end_time && !draft.duration) {
    faults.missing(below + "endTimeUtc");
    return std::nullopt;
  }
  const auto place = below + (draft.end_time ? "endTimeUtc" : "duration");
  std::optional<UtcTime> end;
  if (draft.end_time) {
    end = faults.take(parse_time(*draft.end_time), place);
  } else if (const auto length = faults.take(parse_duration(*draft.duration), place)) {
    // No rule allows more than a day: what is longer need not be exact, and nanoseconds must not overflow.
    end = now + std::min<std::chrono::seconds>(*length, 2 * rule_duration_max);
  }
  if (end && *end <= now) {
    faults.add(place, draft.end_time ? "The end " + in_quotes(*draft.end_time) +
                                           what_is_now + format_time(now) + "."
                                     : std::string("A duration must be longer than nothing."));
    return std::nullopt;
  }
  return end;
}

void check_sentence(const std::optional<std::string>& text, const std::string& name, Faults& faults) {
  if (!text) return;
  if (characters(*text) > justification_characters_max) faults.add(name, "A " + name + " has at most 1024 characters.");
  if (has_control_characters(*text)) {
    faults.add(name, "A " + name + " has no control characters (such as line breaks).");
  }
}

// Nothing if it is now, by a client's clock that may be a little behind.
std::optional<UtcTime> read_start(const AccessDraft& draft, UtcTime now, Faults& faults) {
  if (!draft.start) return std::nullopt;
  const auto start = faults.take(parse_time(*draft.start), "startTimeUtc");
  if (!start) return std::nullopt;
  if (*start < now - start_tolerance) {
    faults.add("startTimeUtc", "The start " + in_quotes(*draft.start) + " is over; the gate's clock says " + format_time(now) + ".");
  }
  if (*start > now + booking_max) faults.add("startTimeUtc", "The start lies more than 7 days ahead.");
  return *start > now ? start : std::nullopt;
}

// Walks the body; `read_rest` fills in what stands beside machine and port number, false if it cannot.
template <class ReadRest>
AskedAccess read_ports(const AccessDraft& draft, MachineTerms terms, Faults& faults, ReadRest read_rest) {
  AskedAccess asked{{}, draft.justification.value_or(""), {}};
  check_sentence(draft.justification, "justification", faults);
  if (draft.machines.empty()) faults.missing("virtualMachines");
  std::set<std::pair<std::string, std::uint16_t>> seen;
  for (std::size_t i = 0; i < draft.machines.size(); ++i) {
    const auto& machine = draft.machines[i];
    const auto target = indexed("virtualMachines", i);
    if (!machine.id || machine.id->empty()) {
      faults.missing(target + ".id");
    } else if (terms == MachineTerms::ids && !parse_machine_id(*machine.id)) {
      faults.add(target + ".id", no_machine_id(*machine.id));
    }
    if (machine.ports.empty()) faults.missing(target + ".ports");
    for (std::size_t j = 0; j < machine.ports.size(); ++j) {
      AskedPort port{machine.id.value_or(""), 0, {}, {}, false, target + "." + indexed("ports", j)};
      const auto number = read_port(machine.ports[j].number, port.target + ".number", faults);
      const bool rest = read_rest(machine.ports[j], port);
      if (!number || !rest) continue;
      port.port = *number;
      if (!seen.insert({folded(port.machine), port.port}).second) {
        faults.add(port.target + ".number", "Port " + std::to_string(port.port) + " of this machine is named twice.");
      }
      asked.ports.push_back(std::move(port));
    }
  }
  return asked;
}

}  // namespace

Result<AskedAccess> read_access(const AccessDraft& draft, const std::optional<Address>& client, UtcTime now,
                                MachineTerms terms) {
  Faults faults(draft.faults);
  const auto start = read_start(draft, now, faults);
  auto asked = read_ports(draft, terms, faults, [&](const PortDraft& from, AskedPort& port) {
    port.sources = read_sources(from, port.target, faults);
    const bool named = from.source || (from.sources && !from.sources->empty());
    if (!named && client) {
      const auto length = static_cast<std::uint8_t>(client->family == Family::ipv4 ? 32 : 128);
      port.sources.push_back(Source{Prefix{*client, length}});
    } else if (!named) {
      faults.add(port.target + ".allowedSourceAddressPrefix",
                 "No source was named, and this connection comes from the gateway itself, so there is no client "
                 "address to fill in: name the address you will connect from.");
    }
    const auto end = start ? read_end(from, port.target, *start, faults, " is not after the start at ")
                           : read_end(from, port.target, now, faults);
    port.end = end.value_or(UtcTime{});
    port.by_duration = from.duration.has_value();
    return end.has_value();
  });
  asked.start = start;
  if (faults.any()) return faults.as_error(ErrorCode::invalid_initiate_input, "The request is not valid");
  return asked;
}

Result<AskedAccess> read_revocation(const AccessDraft& draft) {
  Faults faults(draft.faults);
  auto asked = read_ports(draft, MachineTerms::ids_and_names, faults, [&](const PortDraft& from, AskedPort& port) {
    port.sources = read_sources(from, port.target, faults);
    return true;
  });
  if (faults.any()) return faults.as_error(ErrorCode::invalid_initiate_input, "The revocation is not valid");
  return asked;
}

Result<UtcTime> read_extension(const ExtensionDraft& draft, UtcTime now) {
  Faults faults(draft.faults);
  const auto end = read_end(draft, "", now, faults);
  if (faults.any()) return faults.as_error(ErrorCode::invalid_input, "The extension is not valid");
  return *end;
}

Result<std::string> read_denial(const DenialDraft& draft) {
  Faults faults(draft.faults);
  check_sentence(draft.reason, "reason", faults);
  if (faults.any()) return faults.as_error(ErrorCode::invalid_input, "The denial is not valid");
  return draft.reason.value_or("");
}

Result<std::optional<Ending>> read_revocation(const RevocationDraft& draft) {
  Faults faults(draft.faults);
  const auto ending = draft.ending ? read_ending(*draft.ending, "ending", faults) : std::nullopt;
  if (faults.any()) return faults.as_error(ErrorCode::invalid_input, "The revocation is not valid");
  return ending;
}

}  // namespace postern::core
