// SPDX-License-Identifier: Apache-2.0
// What policies and requests have in common: port numbers and sources (docs/azure-api.md).
#include "controlplane/core/drafts.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

void add_source(const std::string& text, const std::string& target, std::vector<Source>& sources, Faults& faults) {
  const auto source = parse_source(text);
  if (source) {
    sources.push_back(*source);
    return;
  }
  // PowerShell joins an array that is bound to a string by blanks.
  const bool joined_list = text.find_first_of(" ,;") != std::string::npos;
  faults.add(target, source.error().message +
                         (joined_list ? " Several sources belong in allowedSourceAddressPrefixes, a list." : ""));
}

}  // namespace

std::optional<std::uint16_t> read_port(const std::optional<std::string>& text, const std::string& target,
                                       Faults& faults) {
  if (!text) {
    faults.missing(target);
    return std::nullopt;
  }
  const auto value = parse_digits(*text, 5);
  // Port 0 is legal in Azure's description, but no packet has it: a rule for it is a mistake worth telling.
  if (!value || *value < 1 || *value > 65535) {
    faults.add(target, in_quotes(*text) + " is not a port number from 1 to 65535.");
    return std::nullopt;
  }
  return static_cast<std::uint16_t>(*value);
}

void refuse_dhcp(std::uint16_t port, Protocol protocol, const std::string& target, Faults& faults) {
  const bool dhcp = port == 67 || port == 68 || port == 546 || port == 547;  // as is_dhcp() in bpf/parse_transport.h
  if (!dhcp || protocol == Protocol::tcp) return;
  faults.add(target, "UDP port " + std::to_string(port) + " carries DHCP, which always passes: it cannot be guarded.");
}

std::vector<Source> read_sources(const PortDraft& draft, const std::string& target, Faults& faults) {
  const bool listed = draft.sources && !draft.sources->empty();
  std::vector<Source> sources;
  if (draft.source && listed) {
    faults.add(target + ".allowedSourceAddressPrefixes",
               "Only one of allowedSourceAddressPrefix and allowedSourceAddressPrefixes may be given.");
  }
  if (draft.source) add_source(*draft.source, target + ".allowedSourceAddressPrefix", sources, faults);
  for (std::size_t i = 0; listed && i < draft.sources->size(); ++i) {
    add_source((*draft.sources)[i], target + "." + indexed("allowedSourceAddressPrefixes", i), sources, faults);
  }
  return canonical(std::move(sources));
}

}  // namespace postern::core
