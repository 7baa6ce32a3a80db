// SPDX-License-Identifier: Apache-2.0
#include "tools/postern/words.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "tools/postern/failure.hpp"

namespace postern::cli {
namespace {

[[noreturn]] void wrong(std::string_view what, std::string_view word, std::string_view right) {
  throw Failure(Exit::usage,
                std::string(what) + " \"" + std::string(word) + "\" cannot be read: write " + std::string(right));
}

std::string upper(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return result;
}

bool read_port(std::string_view text, std::uint16_t& port) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port != 0;
}

}  // namespace

std::string iso_duration(std::string_view word) {
  constexpr std::string_view right = "90m, 1h30m, 2d or PT1H30M";
  const std::string text = upper(word);
  if (text.starts_with('P')) return text;
  std::string date, time;
  std::string_view order = "DHMS";  // each unit once, largest first
  std::size_t position = 0;
  while (position < text.size()) {
    const std::size_t unit = text.find_first_not_of("0123456789", position);
    if (unit == std::string::npos || unit == position) wrong("the duration", word, right);
    const std::size_t rank = order.find(text[unit]);
    if (rank == std::string_view::npos) wrong("the duration", word, right);
    (text[unit] == 'D' ? date : time) += text.substr(position, unit - position + 1);
    order.remove_prefix(rank + 1);
    position = unit + 1;
  }
  if (date.empty() && time.empty()) wrong("the duration", word, right);
  return "P" + date + (time.empty() ? "" : "T" + time);
}

PortWord port_word(std::string_view word, std::string_view default_protocol) {
  constexpr std::string_view right = "22, 22/tcp, 53/udp or 3389/*";
  const std::size_t slash = word.find('/');
  PortWord result;
  result.protocol = slash == std::string_view::npos ? std::string(default_protocol) : upper(word.substr(slash + 1));
  const bool known = result.protocol == "TCP" || result.protocol == "UDP" || result.protocol == "*";
  if (!known || !read_port(word.substr(0, slash), result.number)) wrong("the port", word, right);
  return result;
}

DestinationWord destination_word(std::string_view word) {
  constexpr std::string_view right = "ADDRESS:PORT/tcp, as 192.0.2.10:22/tcp, [2001:db8::5]:53/udp or vm1:22";
  const std::size_t colon = word.rfind(':');
  if (colon == std::string_view::npos || colon == 0) wrong("the destination", word, right);
  const PortWord port = port_word(word.substr(colon + 1), "TCP");
  DestinationWord result{std::string(word.substr(0, colon)), port.number, port.protocol};
  if (result.host.starts_with('[') && result.host.ends_with(']'))
    result.host = result.host.substr(1, result.host.size() - 2);
  else if (result.host.find(':') != std::string::npos)
    wrong("the destination", word, "an IPv6 address in brackets, as [2001:db8::5]:22/tcp");
  if (port.protocol == "*" || result.host.empty()) wrong("the destination", word, right);
  return result;
}

ForwardWord forward_word(std::string_view word) {
  constexpr std::string_view right = "PUBLIC:PORT=PORT[/udp], as 203.0.113.5:2222=22";
  const std::size_t equals = word.find('=');
  if (equals == std::string_view::npos) wrong("the forward", word, right);
  const std::string_view outside = word.substr(0, equals);
  const std::size_t colon = outside.rfind(':');
  if (colon == std::string_view::npos) wrong("the forward", word, right);
  const PortWord inside = port_word(word.substr(equals + 1), "TCP");

  ForwardWord result;
  result.address = outside.substr(0, colon);
  if (result.address.starts_with('[') && result.address.ends_with(']'))
    result.address = result.address.substr(1, result.address.size() - 2);
  else if (result.address.find(':') != std::string::npos)
    wrong("the forward", word, "an IPv6 address in brackets, as [2001:db8::5]:2222=22");
  result.protocol = inside.protocol;
  result.machine_port = inside.number;
  if (result.address.empty() || inside.protocol == "*" || !read_port(outside.substr(colon + 1), result.port))
    wrong("the forward", word, right);
  return result;
}

std::string dial_words(const std::string& address, const std::string& port, const std::string& machine_port) {
  const std::string host = address.find(':') != std::string::npos ? "[" + address + "]" : address;
  if (machine_port == "22") return "ssh " + (port == "22" ? std::string() : "-p " + port + " ") + address;
  if (machine_port == "3389") return "xfreerdp /v:" + host + ":" + port;
  return "connect to " + host + " port " + port;
}

}  // namespace postern::cli
