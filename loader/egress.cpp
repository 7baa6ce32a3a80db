// SPDX-License-Identifier: Apache-2.0
// The tc filter of the egress program, see egress.hpp.
#include "loader/egress.hpp"

#include <bpf/libbpf.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "loader/fd.hpp"
#include "loader/log_tail.hpp"

namespace postern::loader {
namespace {

constexpr std::uint32_t priority = 1;
constexpr std::uint32_t handle = 0x504f5354;  // "POST": not one that tc would pick by itself

bpf_tc_hook hook_on(const Interface& interface, bpf_tc_attach_point point) {
  LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = interface.index, .attach_point = point);
  return hook;
}

struct FilterDump {
  nlmsghdr header;
  tcmsg body;
};

// Whether the hook holds any filter. A dump that fails counts as one: then the qdisc stays.
bool has_filters(const Interface& interface, std::uint32_t parent) {
  const Fd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  FilterDump request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_GETTFILTER;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.body.tcm_family = AF_UNSPEC;
  request.body.tcm_ifindex = interface.index;
  request.body.tcm_parent = parent;
  if (!socket.valid() || ::send(socket.get(), &request, sizeof request, 0) < 0) return true;
  alignas(nlmsghdr) std::array<char, 32768> buffer{};
  for (;;) {
    const ssize_t got = ::recv(socket.get(), buffer.data(), buffer.size(), 0);
    if (got < static_cast<ssize_t>(sizeof(nlmsghdr))) return true;
    for (std::size_t at = 0; at + sizeof(nlmsghdr) <= static_cast<std::size_t>(got);) {
      nlmsghdr message{};
      std::memcpy(&message, buffer.data() + at, sizeof message);
      if (message.nlmsg_type == NLMSG_DONE) return false;
      if (message.nlmsg_type == NLMSG_ERROR || message.nlmsg_type == RTM_NEWTFILTER) return true;
      if (message.nlmsg_len < sizeof message) return true;
      at += NLMSG_ALIGN(message.nlmsg_len);
    }
  }
}

}  // namespace

std::optional<std::uint32_t> egress_program(const Interface& interface) {
  const bpf_tc_hook hook = hook_on(interface, BPF_TC_EGRESS);
  LIBBPF_OPTS(bpf_tc_opts, options, .handle = handle, .priority = priority);
  if (bpf_tc_query(&hook, &options) != 0) return {};
  return options.prog_id;
}

LoaderResult<EgressAttachment> attach_egress(const Interface& interface, int program_fd) {
  forget_library_logs();
  EgressAttachment attachment;
  bpf_tc_hook hook = hook_on(interface, BPF_TC_EGRESS);
  const int made = bpf_tc_hook_create(&hook);
  if (made != 0 && made != -EEXIST) {
    LoaderError error = library_error("make the clsact qdisc on " + interface.name, made);
    if (made == -ENOENT || made == -EOPNOTSUPP) error.sentence += "; the kernel needs CONFIG_NET_SCH_INGRESS";
    return error;
  }
  attachment.clsact_made = made == 0;
  LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = program_fd, .flags = BPF_TC_F_REPLACE, .handle = handle,
              .priority = priority);
  if (const int fault = bpf_tc_attach(&hook, &options)) {
    LoaderError error = library_error("attach the egress program to " + interface.name, fault);
    if (fault == -EINVAL || fault == -EEXIST)
      error.sentence += "; priority 1 of the egress hook must be free or hold BPF filters only (`tc filter show dev " +
                        interface.name + " egress`)";
    if (attachment.clsact_made) static_cast<void>(detach_egress(interface, true));
    return error;
  }
  attachment.program = options.prog_id;
  return attachment;
}

LoaderResult<void> detach_egress(const Interface& interface, bool clsact_ours) {
  forget_library_logs();
  const bpf_tc_hook hook = hook_on(interface, BPF_TC_EGRESS);
  if (egress_program(interface)) {
    LIBBPF_OPTS(bpf_tc_opts, options, .handle = handle, .priority = priority);
    if (const int fault = bpf_tc_detach(&hook, &options); fault != 0 && fault != -ENOENT)
      return library_error("detach the egress program from " + interface.name, fault);
  }
  constexpr std::uint32_t ingress_hook = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
  constexpr std::uint32_t egress_hook = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS);
  if (!clsact_ours || has_filters(interface, ingress_hook) || has_filters(interface, egress_hook)) return {};
  bpf_tc_hook both = hook_on(interface, static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS));
  if (const int fault = bpf_tc_hook_destroy(&both); fault != 0 && fault != -ENOENT && fault != -EINVAL)
    return library_error("remove the clsact qdisc from " + interface.name, fault);
  return {};
}

}  // namespace postern::loader
