// SPDX-License-Identifier: Apache-2.0
// One gate on this host and where it keeps its things: <run-dir>/<instance>/ with a bpffs of its own, on it v<ABI>/
// (maps and the explain program, for the daemon's group) and links/ (root only); beside the bpffs, one record for
// each interface. Knows nothing of programs.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "loader/error.hpp"
#include "loader/fd.hpp"

namespace postern::loader {

struct Instance {
  std::filesystem::path run_dir = "/run/postern";
  std::string name = "gate";

  std::filesystem::path folder() const { return run_dir / name; }
  std::filesystem::path bpffs() const { return folder() / "bpf"; }
  std::filesystem::path maps() const;     // bpffs/v<ABI>
  std::filesystem::path explain() const;  // the read-only variant, pinned among the maps
  std::filesystem::path links() const { return bpffs() / "links"; }
  std::filesystem::path ingress_link(const std::string& interface) const;
};

// A name that is one plain path component: letters, digits, '-', '_', at most 32.
LoaderResult<void> check_instance_name(const std::string& name);
// "postern" or "997". A name must exist.
LoaderResult<gid_t> find_group(const std::string& name_or_number);

// What prepare_instance had to make, so that a failed attach can take exactly that back.
struct Made {
  bool run_dir = false, folder = false, mount = false, maps = false;
};

// Held while an instance is changed; waits for another loader. Released when it goes, also by a crash.
class InstanceLock {
 public:
  static LoaderResult<InstanceLock> take(const Instance& instance);  // ENOENT: there is no such instance

 private:
  Fd folder_;
};

// Makes the folders and mounts the bpffs as far as they are missing. The instance's folder may be written by the
// group (the daemon's socket is made there) but is sticky, so nobody but root replaces what root put there.
// Gives back the lock it took; `made` is right also after a failure.
LoaderResult<InstanceLock> prepare_instance(const Instance& instance, gid_t group, Made& made);
// Makes v<ABI>/ and links/.
LoaderResult<void> prepare_pins(const Instance& instance, gid_t group, Made& made);
// Pins below v<ABI>/ belong to the group: 0660 root:group.
LoaderResult<void> give_pins_to_group(const Instance& instance, gid_t group);

bool bpffs_is_mounted(const Instance& instance);
// ABI numbers N for which v<N>/ exists on the bpffs.
std::vector<std::uint32_t> abis_present(const Instance& instance);

// Unpins all, unmounts, removes the folders that are empty then. Does what it can; the error names the first thing
// that stayed.
LoaderResult<void> remove_instance(const Instance& instance, bool remove_run_dir);

}  // namespace postern::loader
