// SPDX-License-Identifier: Apache-2.0
// The gate's maps, made from the compiled object and pinned as the loader pins them, on a bpffs that only this process
// sees (a mount namespace of its own); no program is loaded. Needs root: without it the process ends with 77
// (skipped), or with 1 where CI=true.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "loader/map_set.hpp"
#include "tests/support/temp_folder.hpp"

namespace postern::test {

inline constexpr unsigned ordinary_user = 64321;  // user and group of the daemon in tests; need not exist

class PinnedGate {
 public:
  // `sizes`: other max_entries for some maps, by name.
  explicit PinnedGate(const std::map<std::string, std::uint32_t>& sizes = {});
  PinnedGate(const PinnedGate&) = delete;
  PinnedGate& operator=(const PinnedGate&) = delete;
  ~PinnedGate();

  const std::filesystem::path& run_dir() const { return folder_.path(); }
  std::filesystem::path instance() const { return run_dir() / "gate"; }
  std::filesystem::path bpffs() const { return instance() / "bpf"; }
  std::filesystem::path maps_folder() const;

  // Takes all pins away and makes new maps, as detach and attach do.
  void load_anew();
  loader::MapSet open() const;  // throws what MapSet::open says

 private:
  void load();
  void unpin();

  TempFolder folder_;
  std::map<std::string, std::uint32_t> sizes_;
};

// Runs `body` in a child that is nobody but `ordinary_user`; gives its exit code, 99 if it threw.
int as_ordinary_user(const std::function<int()>& body);

}  // namespace postern::test
