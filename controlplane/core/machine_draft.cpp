// SPDX-License-Identifier: Apache-2.0
// Reads the body of a machine: its id, addresses and forwards.
#include <algorithm>
#include <set>

#include "controlplane/core/drafts.hpp"
#include "controlplane/core/resource_id.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

constexpr std::size_t exclusion_bytes_max = 512;

std::string read_id(const MachineDraft& draft, const Settings& settings, Faults& faults) {
  if (!draft.id && !draft.name) {
    faults.missing("name");
    return "";
  }
  if (!draft.id) {
    if (!is_machine_name(*draft.name)) {
      faults.add("name", in_quotes(*draft.name) + " is not a machine name: 1 to 64 letters, digits or any of -_.().");
    }
    return MachineId{settings.subscription, settings.resource_group, *draft.name}.path();
  }
  const auto id = parse_machine_id(*draft.id);
  if (!id) {
    faults.add("id", in_quotes(*draft.id) +
                         " is not a machine's id: /subscriptions/{guid}/resourceGroups/{group}/providers/"
                         "Microsoft.Compute/virtualMachines/{name}.");
  } else if (draft.name && folded(*draft.name) != folded(id->name)) {
    faults.add("name", in_quotes(*draft.name) + " is not the last part of the id, " + in_quotes(id->name) + ".");
  }
  return *draft.id;
}

std::vector<Prefix> read_addresses(const MachineDraft& draft, Faults& faults) {
  std::vector<Prefix> addresses;
  for (std::size_t i = 0; i < draft.addresses.size(); ++i) {
    const auto target = indexed("addresses", i);
    const auto prefix = faults.take(parse_prefix(draft.addresses[i]), target);
    if (!prefix) continue;
    if (prefix->length == 0) {
      faults.add(target, in_quotes(draft.addresses[i]) + " would make every address this machine's.");
    } else if (std::find(addresses.begin(), addresses.end(), *prefix) == addresses.end()) {
      addresses.push_back(*prefix);
    }
  }
  return addresses;
}

std::optional<Forward> read_forward(const ForwardDraft& draft, const std::string& target, Faults& faults) {
  Forward forward;
  if (draft.address) {
    const auto address = faults.take(parse_address(*draft.address), target + ".address");
    if (!address) return std::nullopt;
    forward.address = *address;
    if (*address == Address{address->family, {}}) {
      faults.add(
          target + ".address",
          in_quotes(*draft.address) + " is no address that packets go to: name each public address that is forwarded.");
    }
  } else {
    faults.missing(target + ".address");
  }
  const auto port = read_port(draft.port, target + ".port", faults);
  const auto machine_port = read_port(draft.machine_port, target + ".machinePort", faults);
  const auto protocol = folded(draft.protocol.value_or("tcp"));
  if (protocol != "tcp" && protocol != "udp") {
    faults.add(target + ".protocol", in_quotes(*draft.protocol) + " is not a protocol of a forward: TCP or UDP.");
  }
  if (!draft.address || !port || !machine_port) return std::nullopt;
  forward.port = *port;
  forward.machine_port = *machine_port;
  forward.protocol = protocol == "udp" ? Protocol::udp : Protocol::tcp;
  refuse_dhcp(forward.port, forward.protocol, target + ".port", faults);
  return forward;
}

}  // namespace

Result<Machine> read_machine(const MachineDraft& draft, const Settings& settings) {
  Faults faults(draft.faults);
  Machine machine;
  machine.id = read_id(draft, settings, faults);
  machine.name = std::string(last_segment(machine.id));
  machine.os = folded(draft.os.value_or(""));
  if (machine.os != "" && machine.os != "linux" && machine.os != "windows") {
    faults.add("os", in_quotes(*draft.os) + " is not an operating system we know: linux or windows.");
  }
  machine.excluded = draft.excluded.value_or("");
  if (machine.excluded.size() > exclusion_bytes_max || has_control_characters(machine.excluded)) {
    faults.add("excluded.reason", in_quotes(machine.excluded) + " is not a reason: at most " +
                                      std::to_string(exclusion_bytes_max) + " bytes of plain text.");
  }
  machine.addresses = read_addresses(draft, faults);
  std::set<std::tuple<Address, std::uint16_t, Protocol>> seen;
  for (std::size_t i = 0; i < draft.forwards.size(); ++i) {
    const auto target = indexed("forwards", i);
    const auto forward = read_forward(draft.forwards[i], target, faults);
    if (!forward) continue;
    if (!seen.insert({forward->address, forward->port, forward->protocol}).second) {
      faults.add(target, "This public address and port are forwarded twice.");
    }
    machine.forwards.push_back(*forward);
  }
  if (faults.any()) return faults.as_error(ErrorCode::invalid_machine_input, "The machine is not valid");
  return machine;
}

}  // namespace postern::core
