// SPDX-License-Identifier: Apache-2.0
// detach: takes off what is ours and nothing else, goes on after a failure, and clears up after the last interface.
// See gate.hpp.
#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>

#include "loader/egress.hpp"
#include "loader/gate.hpp"
#include "loader/ingress.hpp"
#include "loader/probe.hpp"
#include "loader/undo.hpp"

namespace postern::loader {
namespace {

// Id of the map `config`, which every program of this gate uses; 0 if there are no maps.
std::uint32_t config_map_id(const Instance& instance) {
  const Fd map(bpf_obj_get((instance.maps() / "config").c_str()));
  bpf_map_info info{};
  __u32 length = sizeof info;
  if (!map.valid() || bpf_obj_get_info_by_fd(map.get(), &info, &length) != 0) return 0;
  return info.id;
}

LoaderResult<void> take_off(const Instance& instance, const Interface& interface, const AttachRecord& record) {
  LoaderResult<void> result = detach_link(instance.ingress_link(record.interface));
  if (record.way == Way::dispatcher && record.ingress_program != 0)
    if (auto done = detach_dispatched(interface, record.ingress_program); !done && result) result = done;
  const auto egress = egress_program(interface);
  const bool ours = egress && is_ours(instance, *egress, record.egress_program);
  if (ours || record.clsact_ours)
    if (auto done = detach_egress(interface, record.clsact_ours && (ours || !egress)); !done && result) result = done;
  return result;
}

LoaderResult<void> detach_one(const Instance& instance, const AttachRecord& record) {
  const bool here = record.network_namespace == network_namespace();
  const auto link = read_link(instance.ingress_link(record.interface));
  const bool link_dead = link && link->interface_index == 0;
  if (!here && !link_dead && network_namespace_lives(record.network_namespace))
    return LoaderError{"interface \"" + record.interface +
                           "\" was attached in another network namespace, which still "
                           "lives: run detach there (`nsenter --net=/run/netns/NAME postern-loader detach`)",
                       EXDEV};
  const Interface interface { here ? interface_name(record.index) : "", record.index };
  auto done = interface.name.empty() ? detach_link(instance.ingress_link(record.interface))
                                   : take_off(instance, interface, record);
  if (done) remove_attach_record(instance, record.interface);
  return done;
}

}  // namespace

bool is_ours(const Instance& instance, std::uint32_t program, std::uint32_t recorded) {
  if (program == 0) return false;
  if (program == recorded) return true;
  const std::uint32_t config = config_map_id(instance);
  const auto opened = open_program(program);
  if (config == 0 || !opened) return false;
  const auto info = program_info(opened->get());
  return info && info->uses(config);
}

LoaderResult<DetachReport> detach_locked(const DetachOptions& options) {
  const Instance& instance = options.instance;
  DetachReport report;
  LoaderResult<void> result;
  const auto records = read_attach_records(instance);
  for (const AttachRecord& record : records) {
    const bool meant = options.interfaces.empty() || std::find(options.interfaces.begin(), options.interfaces.end(),
                                                               record.interface) != options.interfaces.end();
    if (!meant) continue;
    auto done = detach_one(instance, record);
    if (done) report.detached.push_back(record.interface);
    if (!done && result) result = done;
  }
  for (const std::string& name : options.interfaces)
    if (std::none_of(records.begin(), records.end(), [&](const auto& record) { return record.interface == name; }))
      report.not_attached.push_back(name);
  if (!result) return result.error();
  if (options.keep_maps || !read_attach_records(instance).empty()) return report;
  const bool run_dir_ours = read_instance_record(instance).value_or(InstanceRecord{}).run_dir_ours;
  remove_instance_record(instance);
  if (auto removed = remove_instance(instance, run_dir_ours); !removed) return removed.error();
  report.removed = true;
  return report;
}

LoaderResult<DetachReport> detach(const DetachOptions& options) {
  if (auto named = check_instance_name(options.instance.name); !named) return named.error();
  if (auto root = check_root(); !root) return root.error();
  const SignalsHeld held;  // what is begun is finished
  const auto lock = InstanceLock::take(options.instance);
  if (!lock && lock.error().errno_value == ENOENT) return DetachReport{{}, options.interfaces, false};
  if (!lock) return lock.error();
  return detach_locked(options);
}

}  // namespace postern::loader
