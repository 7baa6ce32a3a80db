// SPDX-License-Identifier: Apache-2.0
// The words an engineer types: durations, ports, forwards. Syntax only; what is allowed the daemon judges.
// All throw Failure(usage) with the word and what would have been right.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace postern::cli {

// "90m", "1h30m", "2d", "45s" or ISO 8601 "PT1H30M", in any letter case → ISO 8601.
std::string iso_duration(std::string_view word);

struct PortWord {
  std::uint16_t number = 0;
  std::string protocol;  // "TCP", "UDP", "*"; the default given if the word has none
};
PortWord port_word(std::string_view word, std::string_view default_protocol);  // "22", "22/tcp", "3389/*"

struct DestinationWord {
  std::string host;  // an address, IPv6 without brackets, or a machine's name
  std::uint16_t port = 0;
  std::string protocol;  // "TCP" or "UDP"
};
DestinationWord destination_word(std::string_view word);  // "192.0.2.10:22/tcp", "[2001:db8::5]:53/udp", "vm1:22"

struct ForwardWord {
  std::string address;  // IPv6 without brackets
  std::uint16_t port = 0;
  std::string protocol;  // "TCP" or "UDP"
  std::uint16_t machine_port = 0;
};
ForwardWord forward_word(std::string_view word);  // "203.0.113.5:2222=22", "[2001:db8::5]:2222=22/udp"

// What to type to get to a machine's port at this address and port: "ssh -p 2222 203.0.113.5".
std::string dial_words(const std::string& address, const std::string& port, const std::string& machine_port);

}  // namespace postern::cli
