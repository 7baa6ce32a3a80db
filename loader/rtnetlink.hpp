// SPDX-License-Identifier: Apache-2.0
// Questions to the kernel's routing socket, which anybody may ask of the network namespace he is in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string_view>

#include "loader/error.hpp"

namespace postern::loader {

using Bytes = std::span<const std::byte>;

// Calls visit(type, payload) for each message of a dump. `body` is what follows the header of the request; `protocol` is
// NETLINK_ROUTE or another.
LoaderResult<void> dump_netlink(int protocol, std::uint16_t type, Bytes body,
                                const std::function<void(std::uint16_t, Bytes)>& visit);
LoaderResult<void> dump_rtnetlink(std::uint16_t type, Bytes body,
                                  const std::function<void(std::uint16_t, Bytes)>& visit);
// Calls visit(type, value) for each attribute of an area that holds nothing else; nested flags are taken away.
void for_each_attribute(Bytes area, const std::function<void(std::uint16_t, Bytes)>& visit);

// A text attribute, which may end with a NUL; lives as long as the message.
std::string_view text_of(Bytes value);

// The fixed part of a message; zeroes if it is shorter.
template <class Body>
Body body_of(Bytes payload) {
  Body body{};
  if (payload.size() >= sizeof body) std::memcpy(&body, payload.data(), sizeof body);
  return body;
}
// What follows the fixed part, as rtnetlink aligns it.
template <class Body>
Bytes attributes_of(Bytes payload) {
  constexpr std::size_t fixed = (sizeof(Body) + 3) / 4 * 4;
  return payload.size() > fixed ? payload.subspan(fixed) : Bytes();
}
template <class Body>
Bytes bytes_of(const Body& body) {
  return std::as_bytes(std::span(&body, 1));
}

}  // namespace postern::loader
