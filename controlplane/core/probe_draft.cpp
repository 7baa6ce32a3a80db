// SPDX-License-Identifier: Apache-2.0
// Reads the description of a packet that explain is asked about.
#include <utility>

#include "controlplane/core/drafts.hpp"
#include "controlplane/core/text.hpp"

namespace postern::core {
namespace {

constexpr std::uint16_t some_source_port = 49152;
constexpr std::pair<std::string_view, std::uint8_t> flag_names[] = {{"fin", 1}, {"syn", 2},  {"rst", 4},
                                                                    {"psh", 8}, {"ack", 16}, {"urg", 32}};
constexpr std::uint8_t syn = 2;

Protocol read_protocol(const std::string& text, Faults& faults) {
  for (const auto protocol : {Protocol::tcp, Protocol::udp}) {
    if (folded(text) == folded(wire_name(protocol))) return protocol;
  }
  faults.add("protocol", in_quotes(text) + " is not a protocol with ports that the gate knows: TCP or UDP.");
  return Protocol::tcp;
}

std::uint8_t read_flags(const std::string& text, Faults& faults) {
  unsigned flags = 0;
  if (text.empty()) return 0;
  for (const auto name : split(text, ',')) {
    const unsigned before = flags;
    for (const auto& [known, bit] : flag_names) {
      if (folded(name) == known) flags |= bit;
    }
    if (flags == before)
      faults.add("flags", in_quotes(name) + " is no flag, or named twice: FIN, SYN, RST, PSH, ACK, URG.");
  }
  return static_cast<std::uint8_t>(flags);
}

}  // namespace

Result<AskedProbe> read_probe(const ProbeDraft& draft, const std::optional<Address>& client) {
  Faults faults;
  AskedProbe asked;
  auto& probe = asked.probe;
  if (!draft.source && !client) faults.missing("source");
  if (!draft.destination) faults.missing("destination");
  const auto source = draft.source ? faults.take(parse_address(*draft.source), "source") : client;
  const auto destination =
      draft.destination ? faults.take(parse_address(*draft.destination), "destination") : std::nullopt;
  if (source && destination && source->family != destination->family) {
    faults.add("destination", in_quotes(to_string(*destination)) + " is not of the source's family (IPv4 or IPv6).");
  }
  probe.source = source.value_or(Address{});
  probe.destination = destination.value_or(Address{});
  probe.port = read_port(draft.port, "port", faults).value_or(0);
  probe.source_port =
      draft.source_port ? read_port(draft.source_port, "sourcePort", faults).value_or(0) : some_source_port;
  if (draft.protocol) probe.protocol = read_protocol(*draft.protocol, faults);
  if (probe.protocol == Protocol::tcp) probe.tcp_flags = draft.flags ? read_flags(*draft.flags, faults) : syn;
  if (probe.protocol == Protocol::udp && draft.flags) faults.add("flags", "UDP has no flags.");
  if (draft.at) asked.at = faults.take(parse_time(*draft.at), "at");
  if (faults.any()) return faults.as_error(ErrorCode::invalid_input, "The packet cannot be explained");
  return asked;
}

}  // namespace postern::core
