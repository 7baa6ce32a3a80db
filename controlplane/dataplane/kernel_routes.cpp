// SPDX-License-Identifier: Apache-2.0
// One question to the routing socket for each address, its answer remembered.
#include "controlplane/dataplane/kernel_routes.hpp"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <optional>
#include <vector>

#include "loader/attach_record.hpp"
#include "loader/interface.hpp"
#include "loader/rtnetlink.hpp"

namespace postern::dataplane {
namespace {

constexpr std::chrono::seconds look_period{1};
constexpr std::chrono::seconds oldest{60};  // not everything that moves a route is told
constexpr std::size_t known_max = 65536;
constexpr int news_buffer = 4096;  // one message is enough: what they say is not read

constexpr unsigned group_bit(unsigned group) { return 1U << (group - 1); }
constexpr unsigned news_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
                                 RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE | group_bit(RTNLGRP_IPV6_RULE) |
                                 group_bit(RTNLGRP_NEXTHOP);

struct Answer {
  int error = 0;
  unsigned char type = RTN_UNSPEC, length = 0;
  int interface = 0;
  bool next_hop = false;
};

// An address of a block: not the first, which may be the network's own.
core::Address one_of(const core::Prefix& prefix) {
  core::Address address = prefix.address;
  const bool v4 = address.family == core::Family::ipv4;
  if (prefix.length < (v4 ? 31 : 127)) address.bytes[v4 ? 3 : 15] |= 1;
  return address;
}

std::optional<Answer> route_get(const core::Address& address, unsigned flags) {
  const bool v4 = address.family == core::Family::ipv4;
  const std::size_t size = v4 ? 4 : 16;
  struct {
    nlmsghdr header;
    rtmsg body;
    rtattr attribute;
    std::array<unsigned char, 16> to;
  } request{};
  request.body.rtm_family = v4 ? AF_INET : AF_INET6;
  request.body.rtm_dst_len = static_cast<unsigned char>(size * 8);
  request.body.rtm_flags = flags;
  request.attribute.rta_type = RTA_DST;
  request.attribute.rta_len = static_cast<unsigned short>(sizeof request.attribute + size);
  std::copy_n(address.bytes.begin(), size, request.to.begin());
  request.header.nlmsg_type = RTM_GETROUTE;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.header.nlmsg_len = static_cast<unsigned>(sizeof request - request.to.size() + size);

  const loader::Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (!socket.valid() || ::send(socket.get(), &request, request.header.nlmsg_len, 0) < 0) return std::nullopt;
  std::vector<std::byte> reply(8192);
  const ssize_t got = ::recv(socket.get(), reply.data(), reply.size(), 0);
  const auto datagram = loader::Bytes(reply).first(got > 0 ? static_cast<std::size_t>(got) : 0);
  const auto header = loader::body_of<nlmsghdr>(datagram);
  if (header.nlmsg_len < sizeof header || header.nlmsg_len > datagram.size()) return std::nullopt;
  const auto payload = datagram.first(header.nlmsg_len).subspan(sizeof header);
  Answer answer;
  if (header.nlmsg_type == NLMSG_ERROR) {
    answer.error = -loader::body_of<nlmsgerr>(payload).error;
    return answer;
  }
  const auto route = loader::body_of<rtmsg>(payload);
  answer.type = route.rtm_type;
  answer.length = route.rtm_dst_len;
  loader::for_each_attribute(loader::attributes_of<rtmsg>(payload), [&](std::uint16_t type, loader::Bytes value) {
    if (type == RTA_OIF) answer.interface = loader::body_of<int>(value);
    if (type == RTA_GATEWAY || type == RTA_VIA) answer.next_hop = true;
  });
  return answer;
}

bool says_no_route(int error) {
  return error == ENETUNREACH || error == EHOSTUNREACH || error == EACCES || error == EINVAL;  // EINVAL: a blackhole
}

}  // namespace

core::Route KernelRoutes::to(const core::Prefix& address) {
  look();
  if (guarded_.empty()) return {};
  if (const auto known = known_.find(address); known != known_.end()) return known->second;
  if (known_.size() >= known_max) known_.clear();
  return known_[address] = ask(address);
}

void KernelRoutes::look() {
  const auto now = std::chrono::steady_clock::now();
  if (looked_ != Time{} && now - looked_ < look_period) return;
  looked_ = now;
  auto guarded = guarded_interfaces();
  if (!any_news() && guarded == guarded_ && now - learnt_ < oldest) return;
  known_.clear();
  guarded_ = std::move(guarded);
  learnt_ = now;
}

// Also when they cannot be heard: then every look asks anew.
bool KernelRoutes::any_news() {
  if (!news_.valid()) {
    news_ = loader::Fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
    sockaddr_nl groups{};
    groups.nl_family = AF_NETLINK;
    groups.nl_groups = news_groups;
    static_cast<void>(::setsockopt(news_.get(), SOL_SOCKET, SO_RCVBUF, &news_buffer, sizeof news_buffer));
    if (::bind(news_.get(), reinterpret_cast<const sockaddr*>(&groups), sizeof groups) != 0) news_ = loader::Fd();
    return true;
  }
  bool any = false;
  std::array<char, 1> ignored{};
  while (::recv(news_.get(), ignored.data(), ignored.size(), MSG_TRUNC) >= 0 || errno == ENOBUFS) any = true;
  return any;
}

std::set<int> KernelRoutes::guarded_interfaces() const {
  std::set<int> indices;
  for (const auto& record : loader::read_attach_records(instance_))
    if (record.network_namespace == loader::network_namespace()) indices.insert(record.index);
  return indices;
}

core::Route KernelRoutes::ask(const core::Prefix& prefix) const {
  const auto address = one_of(prefix);
  const auto answer = route_get(address, 0);
  if (!answer) return {};
  if (answer->error != 0) return {says_no_route(answer->error) ? core::Reach::none : core::Reach::unknown, ""};
  switch (answer->type) {
    case RTN_LOCAL:
    case RTN_ANYCAST:
      return {core::Reach::local, ""};
    case RTN_UNREACHABLE:
    case RTN_PROHIBIT:
    case RTN_BLACKHOLE:
    case RTN_THROW:
      return {core::Reach::none, ""};
    default:
      break;
  }
  const auto name = loader::interface_name(answer->interface);
  if (!guarded_.contains(answer->interface)) return {core::Reach::inside, name};
  // Back out of the guarded interface: so does a gateway with one leg, to networks that it has a route for.
  const auto entry = route_get(address, RTM_F_FIB_MATCH);
  const bool own_route = answer->next_hop && entry && entry->error == 0 && entry->length > 0;
  return {own_route ? core::Reach::inside : core::Reach::outside, name};
}

}  // namespace postern::dataplane
