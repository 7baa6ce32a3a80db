// SPDX-License-Identifier: Apache-2.0
// The three programs in the kernel with one small set of maps, attached to nothing. Calls that fail throw.
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <memory>
#include <string>

#include "tests/model/story.hpp"

namespace postern::model {

class Kernel {
 public:
  static constexpr std::uint32_t slots = 16;  // of grants that stories use

  Kernel();

  // True if the program lets the frame pass.
  bool judge(const Bytes& frame) const;
  gate_explain explain(const Bytes& frame, std::uint64_t now_boot_ns) const;  // throws if action and verdict differ
  void learn(const Bytes& frame, std::uint32_t segments, bool sent_back) const;

  template <class Key, class Value>
  void put(int map, const Key& key, const Value& value) const {
    if (bpf_map_update_elem(maps_[map], &key, &value, BPF_ANY) != 0) fail(std::string{"writing "} + map_name(map));
  }
  template <class Key>
  void erase(int map, const Key& key) const {
    bpf_map_delete_elem(maps_[map], &key);
  }
  template <class Key, class Value>
  bool find(int map, const Key& key, Value& value) const {
    return bpf_map_lookup_elem(maps_[map], &key, &value) == 0;
  }
  template <class Key, class Value>
  std::map<Key, Value, ByBytes> dump(int map) const {
    static Key keys[most];
    static Value values[most];
    std::map<Key, Value, ByBytes> out;
    const std::uint32_t count = read(map, keys, values, most);
    for (std::uint32_t i = 0; i < count; ++i) out.emplace(keys[i], values[i]);
    return out;
  }
  // Zeros in an array of `slots` entries.
  void zero(int map, std::size_t value_size) const;
  // The sums over all processors of a per-CPU array of counters.
  std::vector<gate_counter> totals(int map, std::uint32_t entries) const;

 private:
  static constexpr std::uint32_t most = 1024;  // entries that a map can have
  struct Object {
    void operator()(bpf_object* object) const { bpf_object__close(object); }
  };
  [[noreturn]] static void fail(const std::string& what);
  void load(std::size_t which, const char* program);
  int run(std::size_t which, const Bytes& frame, bpf_test_run_opts& options) const;
  std::uint32_t read(int map, void* keys, void* values, std::uint32_t count) const;

  std::unique_ptr<bpf_object, Object> objects_[3];  // ingress, egress, explain
  int programs_[3]{};
  int maps_[32]{};
};

}  // namespace postern::model
