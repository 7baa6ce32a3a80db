// SPDX-License-Identifier: Apache-2.0
// What the loader notes beside the bpffs: attach-<interface>.json for each interface, instance.json for all of them.
// Root writes them by rename, 0640 root:group; the daemon may read them for its status. They are notes: what the
// kernel says counts, and a record that root does not own is not believed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "loader/instance.hpp"

namespace postern::loader {

enum class Mode { native, generic };
enum class Way { dispatcher, link };
const char* to_string(Mode mode);
const char* to_string(Way way);

struct AttachRecord {
  std::string interface;
  int index = 0;
  std::uint64_t network_namespace = 0;  // inode
  Mode mode = Mode::native;
  Way way = Way::link;
  bool clsact_ours = false;
  std::uint32_t ingress_program = 0, egress_program = 0;  // kernel ids; 0: not (yet) attached
};

struct InstanceRecord {
  std::uint32_t abi = 0;
  gid_t group = 0;
  bool run_dir_ours = false;
  std::vector<std::string> until_confirmed;  // failsafe sources that `confirm` takes away
};

LoaderResult<void> write_record(const Instance& instance, const AttachRecord& record, gid_t group);
LoaderResult<void> write_record(const Instance& instance, const InstanceRecord& record);
std::optional<AttachRecord> read_attach_record(const Instance& instance, const std::string& interface);
std::optional<InstanceRecord> read_instance_record(const Instance& instance);
std::vector<AttachRecord> read_attach_records(const Instance& instance);  // by interface name
void remove_attach_record(const Instance& instance, const std::string& interface);
void remove_instance_record(const Instance& instance);  // and what is half written

}  // namespace postern::loader
