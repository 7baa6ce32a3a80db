// SPDX-License-Identifier: Apache-2.0
// The kernel, as far as doctor looks at it, see doctor.hpp.
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>

#include "loader/doctor.hpp"
#include "loader/open_sessions.hpp"
#include "loader/probe.hpp"

namespace postern::loader {
namespace {

void look_at_features(Findings& findings) {
  for (const Feature& feature : probe_features()) {
    const Level level = feature.present ? Level::ok : feature.needed ? Level::failure : Level::warning;
    findings.push_back({level, "feature", feature.name,
                        feature.present ? feature.name : feature.name + ": " + feature.consequence, ""});
  }
  if (::access("/sys/kernel/btf/vmlinux", R_OK) != 0)
    findings.push_back({Level::warning, "btf", "", "the kernel tells no types (BTF), which libxdp's dispatcher needs",
                        "use a kernel with CONFIG_DEBUG_INFO_BTF, or share no interface with other XDP programs"});
}

void look_at_lockdown(Findings& findings) {
  std::string modes;
  std::getline(std::ifstream("/sys/kernel/security/lockdown"), modes);
  const auto begin = modes.find('['), end = modes.find(']');
  if (begin == std::string::npos || end == std::string::npos) return;
  const std::string mode = modes.substr(begin + 1, end - begin - 1);
  if (mode == "none") return;
  findings.push_back(
      {Level::note, "lockdown", "",
       "the kernel is locked down (" + mode + "), which the gate's programs can bear: what is tried out above tells",
       ""});
}

// Since Linux 5.19 whoever may open a map may also use it.
void look_at_rights(const utsname& system, Findings& findings) {
  int major = 0, minor = 0, forbidden = 0;
  if (std::sscanf(system.release, "%d.%d", &major, &minor) != 2) return;  // NOLINT: two numbers
  std::ifstream("/proc/sys/kernel/unprivileged_bpf_disabled") >> forbidden;
  if (forbidden == 0 || major > 5 || (major == 5 && minor >= 19)) return;
  findings.push_back(
      {Level::warning, "daemon_rights", "",
       "before Linux 5.19 a process without rights cannot use maps while kernel.unprivileged_bpf_disabled is " +
           std::to_string(forbidden),
       "give posternd CAP_BPF (AmbientCapabilities=CAP_BPF in its unit)"});
}

void look_at_tracking(Findings& findings) {
  const auto tracked = tracked_sessions([](const OpenSession&) { return false; }, [](const OpenSession&) {});
  if (tracked && *tracked > 0) return;
  const std::string known_late =
      ", so sessions through this gateway that are open when a port becomes guarded are known only after a while in monitor mode";
  const std::string learn = "`postern policy enable --monitor` first, or ";
  if (tracked) {
    findings.push_back({Level::note, "connection_tracking", "", "no connection is tracked on this host now" + known_late,
                        learn + "a rule that asks for tracking (ct state)"});
  } else {
    findings.push_back({Level::warning, "connection_tracking", "", tracked.error().sentence + known_late,
                        learn + "`modprobe nf_conntrack_netlink`"});
  }
}

void look_at_clock(Findings& findings) {
  timex state{};
  if (::adjtimex(&state) != TIME_ERROR && (state.status & STA_UNSYNC) == 0) return;
  findings.push_back({Level::warning, "clock", "", "nothing keeps the wall clock right, and grants end by it, too",
                      "run chrony or systemd-timesyncd"});
}

}  // namespace

void examine_kernel(Findings& findings) {
  utsname system{};
  ::uname(&system);
  findings.push_back({Level::note, "kernel", "", std::string("kernel ") + system.release, ""});
  look_at_features(findings);
  look_at_lockdown(findings);
  look_at_rights(system, findings);
  look_at_tracking(findings);
  look_at_clock(findings);
}

}  // namespace postern::loader
