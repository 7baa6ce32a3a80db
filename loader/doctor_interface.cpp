// SPDX-License-Identifier: Apache-2.0
// An interface that the gate is to stand on, as far as doctor looks at it, see doctor.hpp.
#include <linux/genetlink.h>
#include <linux/netlink.h>

#include <fstream>

#include "loader/attach_record.hpp"
#include "loader/doctor.hpp"
#include "loader/gate.hpp"
#include "loader/ingress.hpp"
#include "loader/interface.hpp"
#include "loader/offload.hpp"
#include "loader/probe.hpp"
#include "loader/rtnetlink.hpp"
#include "loader/tc_hook.hpp"

namespace postern::loader {
namespace {

constexpr int largest_mtu = 3500;
// <linux/netdev.h>, which Debian 12 does not have.
constexpr std::uint8_t netdev_get = 1;
constexpr std::uint16_t netdev_ifindex = 1, netdev_xdp_features = 3;
constexpr std::uint64_t netdev_xdp_basic = 1;

// One finding after the other about one interface.
class Report {
 public:
  Report(const Interface& interface, Findings& findings) : name_(interface.name), findings_(findings) {}
  void add(Level level, const char* check, const std::string& says, const std::string& advice = "") const {
    findings_.push_back({level, check, name_, name_ + " " + says, advice});
  }

 private:
  const std::string& name_;
  Findings& findings_;
};

void look_at_programs(const Instance& instance, const Interface& interface, const Report& report) {
  const auto record = read_attach_record(instance, interface.name);
  if (const auto hook = xdp_hook(interface); hook && hook->program != 0) {
    const std::string who = "runs the XDP program \"" + hook->name + "\" (id " + std::to_string(hook->program) + ")";
    const bool ours = is_ours(instance, hook->program, record ? record->ingress_program : 0);
    if (ours)
      report.add(Level::note, "xdp_program", who + ", which is this gate's");
    else if (hook->dispatcher && freplace_works())
      report.add(Level::note, "xdp_program", who + ", libxdp's dispatcher, which the gate joins");
    else
      report.add(Level::failure, "xdp_program", who + ", beside which the gate cannot stand here",
                 "take it off (`ip link set dev " + interface.name + " xdp off`, or the tool that loaded it)");
  }
  if (const auto egress = egress_program(interface);
      egress && !is_ours(instance, *egress, record ? record->egress_program : 0))
    report.add(Level::failure, "egress_filter", "has a tc filter of another gate in its egress hook",
               "detach that gate, or `tc qdisc del dev " + interface.name + " clsact` if it is a left-over");
  if (has_ingress_filters(interface))
    report.add(
        Level::warning, "ingress_filter",
        "has tc filters for what comes in: where they redirect packets or change addresses the gate has judged what "
        "stood there before",
        "see `tc filter show dev " + interface.name + " ingress`");
}

void look_at_driver(const Interface& interface, const Report& report) {
  const LinkFacts facts = read_link_facts(interface);
  report.add(
      Level::note, "driver",
      "has the driver " + (facts.driver.empty() ? "unknown" : facts.driver) + " and MTU " + std::to_string(facts.mtu));
  if (const auto native = has_native_xdp(interface.index); !native)
    report.add(Level::note, "native_xdp", "may have native XDP or not: this kernel does not tell; attach tries");
  else if (!*native)
    report.add(Level::warning, "native_xdp",
               "has no native XDP, so attach is refused unless it may take the slow generic mode",
               "`postern-loader attach --mode generic`, or attach to the interface beneath it");
  if (facts.large_receive_offload)
    report.add(Level::warning, "lro", "merges received packets in hardware (LRO), which native XDP cannot work with",
               "`ethtool -K " + interface.name + " lro off`");
  if (facts.vlan_stripped)
    report.add(
        Level::warning, "vlan_offload",
        "takes VLAN tags off before the gate sees a frame, so it cannot tell VLANs from one another in what it reports",
        "`ethtool -K " + interface.name + " rxvlan off`");
  if (facts.mtu > largest_mtu)
    report.add(Level::warning, "mtu",
               "has an MTU above " + std::to_string(largest_mtu) + ", with which most drivers refuse native XDP",
               "`ip link set dev " + interface.name + " mtu 1500`, or --mode generic");
}

void look_at_functions(const Interface& interface, const Report& report) {
  int functions = 0;
  std::ifstream("/sys/class/net/" + interface.name + "/device/sriov_numvfs") >> functions;
  if (functions > 0)
    report.add(Level::warning, "sriov",
               "has " + std::to_string(functions) +
                   " virtual function(s) (SR-IOV), whose packets the card delivers past the gate",
               "give machines no virtual function of it, or attach to those that this host uses");
}

void look_at_place(const Interface& interface, const Report& report) {
  const auto links = read_links();
  const auto own = links.find(interface.index);
  if (own == links.end()) return;
  if (own->second.kind == "bridge")
    report.add(Level::warning, "bridge", "is a bridge, and frames from one of its ports to another never come to it",
               "attach to each outside port instead");
  if (own->second.kind == "bond" || own->second.kind == "team")
    report.add(Level::warning, "bond",
               "is a " + own->second.kind + ": whether it has native XDP depends on its mode and on each of its ports",
               "try `attach --confirm-within 60s`; do not attach to the ports");
  if (const auto master = links.find(own->second.master); master != links.end()) {
    const Link& over = master->second;
    if (over.kind == "bond" || over.kind == "team")
      report.add(Level::warning, "bond",
                 "is a port of the " + over.kind + " " + over.name + ", whose other ports lead past the gate",
                 "attach to " + over.name);
    else
      report.add(Level::note, "port",
                 "is a port of " + over.name + ": other ports of it need a gate, too, if strangers are there");
  }
}

}  // namespace

std::optional<bool> has_native_xdp(int interface_index) {
  std::uint16_t family = 0;
  const genlmsghdr list{CTRL_CMD_GETFAMILY, 1, 0};
  auto asked = dump_netlink(NETLINK_GENERIC, GENL_ID_CTRL, bytes_of(list), [&family](std::uint16_t, Bytes payload) {
    std::uint16_t id = 0;
    bool ours = false;
    for_each_attribute(attributes_of<genlmsghdr>(payload), [&](std::uint16_t type, Bytes value) {
      if (type == CTRL_ATTR_FAMILY_ID) id = body_of<std::uint16_t>(value);
      if (type == CTRL_ATTR_FAMILY_NAME) ours = text_of(value) == "netdev";
    });
    if (ours) family = id;
  });
  if (!asked || family == 0) return {};
  std::optional<bool> native;
  const genlmsghdr get{netdev_get, 1, 0};
  asked = dump_netlink(NETLINK_GENERIC, family, bytes_of(get), [&](std::uint16_t, Bytes payload) {
    std::uint32_t index = 0;
    std::optional<std::uint64_t> features;
    for_each_attribute(attributes_of<genlmsghdr>(payload), [&](std::uint16_t type, Bytes value) {
      if (type == netdev_ifindex) index = body_of<std::uint32_t>(value);
      if (type == netdev_xdp_features) features = body_of<std::uint64_t>(value);
    });
    if (index == static_cast<std::uint32_t>(interface_index) && features) native = (*features & netdev_xdp_basic) != 0;
  });
  return asked ? native : std::nullopt;
}

void examine_interface(const Instance& instance, const std::string& name, Findings& findings) {
  const auto interface = find_interface(name);
  if (!interface) return findings.push_back({Level::failure, "interface", name, interface.error().sentence, ""});
  const Report report(*interface, findings);
  look_at_programs(instance, *interface, report);
  look_at_driver(*interface, report);
  look_at_functions(*interface, report);
  look_at_place(*interface, report);
}

}  // namespace postern::loader
