// SPDX-License-Identifier: Apache-2.0
// See gate.hpp. Idempotent, for a unit to call whenever the gate may have been taken off.
#include <cerrno>

#include "loader/gate.hpp"
#include "loader/probe.hpp"
#include "loader/status.hpp"

namespace postern::loader {
namespace {

// The name of the interface to attach to; empty: there is none.
std::string name_of(const InterfaceStatus& status) {
  if (status.present) return status.name_now;
  return status.made_anew ? status.record.interface : "";
}

bool stands(const GateStatus& gate, const InterfaceStatus& status) {
  return status.elsewhere || (gate.abi != 0 && status.present && status.ingress && status.egress);
}

}  // namespace

LoaderResult<EnsureReport> ensure(const Instance& instance, const std::filesystem::path& snapshot) {
  if (auto root = check_root(); !root) return root.error();
  const auto gate = read_status(instance);
  if (!gate) return gate.error();
  if (!gate->attached())
    return LoaderError{"nothing was attached as gate \"" + instance.name + "\": `postern-loader attach` does it", ENOENT};
  if (gate->stands_open())
    return LoaderError{"nobody confirmed the attach of gate \"" + instance.name +
                           "\" in time, so it is not attached again; `postern-loader confirm` or `detach`",
                       EPERM};
  EnsureReport report;
  for (const InterfaceStatus& status : gate->interfaces) {
    if (stands(*gate, status)) continue;
    const std::string name = name_of(status);
    if (name.empty()) {
      report.gone.push_back(status.record.interface);
      continue;
    }
    AttachOptions options;
    options.instance = instance;
    options.interfaces = {name};
    options.group = read_instance_record(instance).value_or(InstanceRecord{}).group;
    options.mode = status.record.mode == Mode::generic ? ModeChoice::generic : ModeChoice::native;
    options.dispatcher = status.record.way == Way::dispatcher;
    options.snapshot = snapshot;
    auto attached = attach(options);
    if (!attached) return attached.error();
    if (gate->abi == 0 && report.attached.empty())
      report.warnings.push_back("its maps were gone too: they are made anew, in the usual sizes and without the failsafe "
                                "sources that attach was given");
    report.attached.push_back(name);
    if (attached->no_snapshot)
      report.warnings.push_back("there is no boot snapshot " + snapshot.string() + ": guards nothing until posternd has run");
    report.warnings.insert(report.warnings.end(), attached->warnings.begin(), attached->warnings.end());
  }
  return report;
}

}  // namespace postern::loader
