// SPDX-License-Identifier: Apache-2.0
// See tc_hook.hpp. By rtnetlink itself: libbpf would write to the log whenever nothing is found.
#include "loader/tc_hook.hpp"

#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstring>
#include <string_view>

#include "loader/rtnetlink.hpp"

namespace postern::loader {
namespace {

constexpr std::uint32_t ingress_hook = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS);
constexpr std::uint32_t egress_hook = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS);

tcmsg on(const Interface& interface, std::uint32_t parent) {
  tcmsg body{};
  body.tcm_family = AF_UNSPEC;
  body.tcm_ifindex = interface.index;
  body.tcm_parent = parent;
  return body;
}

std::optional<std::uint32_t> bpf_id(Bytes attributes) {
  std::optional<std::uint32_t> id;
  for_each_attribute(attributes, [&id](std::uint16_t type, Bytes options) {
    if (type != TCA_OPTIONS) return;
    for_each_attribute(options, [&id](std::uint16_t option, Bytes value) {
      if (option == TCA_BPF_ID) id = body_of<std::uint32_t>(value);
    });
  });
  return id;
}

// Nothing if it could not be asked.
std::optional<bool> any_filter(const Interface& interface, std::uint32_t parent) {
  bool found = false;
  const tcmsg request = on(interface, parent);
  const auto asked = dump_rtnetlink(RTM_GETTFILTER, bytes_of(request), [&found](std::uint16_t, Bytes) { found = true; });
  return asked ? std::optional(found) : std::nullopt;
}

}  // namespace

std::optional<std::uint32_t> egress_program(const Interface& interface) {
  std::optional<std::uint32_t> found;
  const tcmsg request = on(interface, egress_hook);
  const auto asked = dump_rtnetlink(RTM_GETTFILTER, bytes_of(request), [&found](std::uint16_t, Bytes payload) {
    const auto filter = body_of<tcmsg>(payload);
    if (filter.tcm_handle == egress_handle && TC_H_MAJ(filter.tcm_info) >> 16 == egress_priority)
      found = bpf_id(attributes_of<tcmsg>(payload));
  });
  return asked ? found : std::nullopt;
}

bool has_clsact(const Interface& interface) {
  bool found = false;
  const tcmsg request = on(interface, 0);
  const auto asked = dump_rtnetlink(RTM_GETQDISC, bytes_of(request), [&](std::uint16_t, Bytes payload) {
    const auto qdisc = body_of<tcmsg>(payload);
    if (qdisc.tcm_ifindex != interface.index) return;  // older kernels tell of all
    for_each_attribute(attributes_of<tcmsg>(payload), [&found](std::uint16_t type, Bytes kind) {
      if (type != TCA_KIND) return;
      constexpr std::string_view clsact("clsact\0", 7);
      found = found || (kind.size() == clsact.size() && std::memcmp(kind.data(), clsact.data(), kind.size()) == 0);
    });
  });
  return asked && found;
}

bool has_filters(const Interface& interface) {
  return any_filter(interface, ingress_hook).value_or(true) || any_filter(interface, egress_hook).value_or(true);
}

bool has_ingress_filters(const Interface& interface) {
  return any_filter(interface, ingress_hook).value_or(false);
}

}  // namespace postern::loader
