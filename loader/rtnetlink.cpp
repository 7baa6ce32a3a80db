// SPDX-License-Identifier: Apache-2.0
// See rtnetlink.hpp.
#include "loader/rtnetlink.hpp"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <vector>

#include "loader/fd.hpp"

namespace postern::loader {
namespace {

constexpr std::size_t largest_reply = 65536;

// One datagram of a dump; true if it was the last.
LoaderResult<bool> visit_messages(Bytes datagram, const std::function<void(std::uint16_t, Bytes)>& visit) {
  while (datagram.size() >= sizeof(nlmsghdr)) {
    const auto header = body_of<nlmsghdr>(datagram);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > datagram.size()) break;
    const Bytes payload = datagram.first(header.nlmsg_len).subspan(sizeof header);
    if (header.nlmsg_type == NLMSG_DONE) return true;
    if (header.nlmsg_type == NLMSG_ERROR)
      return system_error("ask the kernel by netlink", -body_of<nlmsgerr>(payload).error);
    visit(header.nlmsg_type, payload);
    const std::size_t whole = (header.nlmsg_len + 3) / 4 * 4;
    datagram = datagram.subspan(std::min(whole, datagram.size()));
  }
  return false;
}

}  // namespace

LoaderResult<void> dump_rtnetlink(std::uint16_t type, Bytes body,
                                  const std::function<void(std::uint16_t, Bytes)>& visit) {
  return dump_netlink(NETLINK_ROUTE, type, body, visit);
}

LoaderResult<void> dump_netlink(int protocol, std::uint16_t type, Bytes body,
                                const std::function<void(std::uint16_t, Bytes)>& visit) {
  const Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  nlmsghdr header{};
  header.nlmsg_len = static_cast<std::uint32_t>(sizeof header + body.size());
  header.nlmsg_type = type;
  header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  std::vector<std::byte> request(bytes_of(header).begin(), bytes_of(header).end());
  request.insert(request.end(), body.begin(), body.end());
  if (!socket.valid() || ::send(socket.get(), request.data(), request.size(), 0) < 0)
    return system_error("ask the kernel by netlink", errno);
  std::vector<std::byte> reply(largest_reply);
  for (;;) {
    const ssize_t got = ::recv(socket.get(), reply.data(), reply.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return system_error("hear the kernel's answer by netlink", got < 0 ? errno : EIO);
    const auto last = visit_messages(Bytes(reply).first(static_cast<std::size_t>(got)), visit);
    if (!last) return last.error();
    if (*last) return {};
  }
}

void for_each_attribute(Bytes area, const std::function<void(std::uint16_t, Bytes)>& visit) {
  while (area.size() >= sizeof(rtattr)) {
    const auto attribute = body_of<rtattr>(area);
    if (attribute.rta_len < sizeof attribute || attribute.rta_len > area.size()) return;
    visit(attribute.rta_type & static_cast<std::uint16_t>(NLA_TYPE_MASK), area.first(attribute.rta_len).subspan(sizeof attribute));
    const std::size_t whole = (attribute.rta_len + 3u) / 4 * 4;
    area = area.subspan(std::min(whole, area.size()));
  }
}

std::string_view text_of(Bytes value) {
  const std::string_view text(reinterpret_cast<const char*>(value.data()), value.size());
  return text.substr(0, text.find('\0'));
}

}  // namespace postern::loader
