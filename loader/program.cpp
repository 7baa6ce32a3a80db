// SPDX-License-Identifier: Apache-2.0
// The BPF objects, see program.hpp.
#include "loader/program.hpp"

#include <bpf/bpf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "loader/log_tail.hpp"
#include "loader/map_set.hpp"
#include "loader/skeletons.hpp"

namespace postern::loader {
namespace {

std::optional<std::uint32_t> wanted_size(const TableSizes& sizes, std::string_view map) {
  if (map == "grants_v4" || map == "grants_v6" || map == "grant_records" || map == "grant_usage") return sizes.grants;
  if (map == "established_v4" || map == "established_v6") return sizes.flows;
  if (map == "half_open_v4" || map == "half_open_v6") return sizes.half_open;
  return {};
}

LoaderResult<void> configure_map(bpf_map* map, const std::filesystem::path& pin, std::optional<std::uint32_t> wanted) {
  const std::string name = bpf_map__name(map);
  if (const Fd pinned(bpf_obj_get(pin.c_str())); pinned.valid()) {
    bpf_map_info info{};
    __u32 length = sizeof info;
    if (bpf_obj_get_info_by_fd(pinned.get(), &info, &length) != 0) return system_error("read the map " + name, errno);
    if (wanted && *wanted != info.max_entries)
      return LoaderError{"the table " + name + " exists with room for " + std::to_string(info.max_entries) +
                             " entries, not " + std::to_string(*wanted) +
                             ": leave the size out, or detach the gate and attach it anew",
                         EEXIST};
    wanted = info.max_entries;
  }
  if (wanted)
    if (const int fault = bpf_map__set_max_entries(map, *wanted)) return system_error("size the map " + name, fault);
  if (const int fault = bpf_map__set_pin_path(map, pin.c_str())) return system_error("name the pin of " + name, fault);
  return {};
}

}  // namespace

LoaderResult<GateObject> GateObject::open(Part part) {
  forget_library_logs();
  LIBBPF_OPTS(bpf_object_open_opts, options);
  const auto opened = open_skeleton(part, &options);
  if (!opened) return library_error(std::string("open the object ") + object_name(part), errno);
  GateObject object;
  object.skeleton_ = {opened->skeleton, opened->close};
  object.object_ = opened->object;
  object.program_ = opened->program;
  object.name_ = object_name(part);
  if (opened->abi != GATE_ABI)
    return LoaderError{std::string("the object ") + object.name_ + " was built for ABI " + std::to_string(opened->abi) +
                           " and this program for " + std::to_string(GATE_ABI) + ": build both from one tree",
                       EPROTO};
  return object;
}

LoaderResult<void> GateObject::configure(const Instance& instance, const TableSizes& sizes) {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object_) {
    // Maps that libbpf makes for .rodata and .bss belong to this one program, and bpffs takes no name with a dot.
    const std::string name = bpf_map__name(map);
    if (name.find('.') != std::string::npos) continue;
    if (map_type(name) == BPF_MAP_TYPE_UNSPEC) continue;
    if (auto done = configure_map(map, instance.maps() / name, wanted_size(sizes, name)); !done) return done;
  }
  return {};
}

LoaderResult<void> GateObject::load() {
  forget_library_logs();
  if (const int fault = bpf_object__load(object_)) return library_error(std::string("load ") + name_, fault);
  return {};
}

int GateObject::program_fd() const {
  return bpf_program__fd(program_);
}

LoaderResult<void> pin_program(int program_fd, const std::filesystem::path& path, gid_t group) {
  const std::string fresh = path.string() + "-new", step = "pin the program " + path.string();
  ::unlink(fresh.c_str());
  if (const int fault = bpf_obj_pin(program_fd, fresh.c_str())) return system_error(step, fault);
  if (::chown(fresh.c_str(), 0, group) != 0 || ::chmod(fresh.c_str(), 0660) != 0 ||
      ::rename(fresh.c_str(), path.c_str()) != 0)
    return system_error(step, errno);
  return {};
}

bool ProgramInfo::uses(std::uint32_t map_id) const {
  return std::find(maps.begin(), maps.end(), map_id) != maps.end();
}

LoaderResult<ProgramInfo> program_info(int program_fd) {
  std::array<std::uint32_t, 64> ids{};
  bpf_prog_info info{};
  info.map_ids = reinterpret_cast<std::uintptr_t>(ids.data());
  info.nr_map_ids = ids.size();
  __u32 length = sizeof info;
  if (bpf_obj_get_info_by_fd(program_fd, &info, &length) != 0) return system_error("read a program's data", errno);
  ProgramInfo result{info.id, info.name, {}};
  result.maps.assign(ids.begin(), ids.begin() + std::min<std::size_t>(info.nr_map_ids, ids.size()));
  return result;
}

LoaderResult<Fd> open_program(std::uint32_t id) {
  Fd program(bpf_prog_get_fd_by_id(id));
  if (!program.valid()) return system_error("open program " + std::to_string(id), errno);
  return program;
}

}  // namespace postern::loader
