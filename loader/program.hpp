// SPDX-License-Identifier: Apache-2.0
// The three BPF objects of the gate (ingress, egress, explain) as owning handles: opened from the skeletons' bytes,
// configured with pins and sizes, loaded. The maps they share are made, or found by their pins, while loading.
#pragma once

#include <bpf/libbpf.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "loader/error.hpp"
#include "loader/fd.hpp"
#include "loader/instance.hpp"
#include "loader/part.hpp"

namespace postern::loader {

// How large the tables become; none: as the objects say. A pinned table keeps the size it has.
struct TableSizes {
  std::optional<std::uint32_t> grants, flows, half_open;
};

// An object in its life: open → configure → load. What is loaded lives on through links and pins.
class GateObject {
 public:
  // Refuses an object that was built for another ABI than this program.
  static LoaderResult<GateObject> open(Part part);
  // Sets pin paths below v<ABI>/ and the tables' sizes. Refuses a size other than that of a table already pinned.
  LoaderResult<void> configure(const Instance& instance, const TableSizes& sizes);
  // An error carries the verifier's last lines.
  LoaderResult<void> load();

  bpf_object* object() const { return object_; }
  int program_fd() const;  // lent; valid once loaded

 private:
  std::unique_ptr<void, void (*)(void*)> skeleton_{nullptr, [](void*) {}};
  bpf_object* object_ = nullptr;
  bpf_program* program_ = nullptr;
  const char* name_ = "";
};

// What the kernel says of a loaded program.
struct ProgramInfo {
  std::uint32_t id = 0;
  std::string name;
  std::vector<std::uint32_t> maps;  // ids
  bool uses(std::uint32_t map_id) const;
};
LoaderResult<ProgramInfo> program_info(int program_fd);
// Pins it at `path`, in place of what is pinned there, for the group to use.
LoaderResult<void> pin_program(int program_fd, const std::filesystem::path& path, gid_t group);
LoaderResult<Fd> open_program(std::uint32_t id);

}  // namespace postern::loader
