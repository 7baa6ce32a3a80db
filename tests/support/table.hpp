// SPDX-License-Identifier: Apache-2.0
// A BPF map as the tests see it: raw bpf() calls on a descriptor that somebody else owns. Throws std::system_error
// on anything but "there is no such key".
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>
#include <cstddef>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

namespace postern::test {

template <class Key, class Value>
class Table {
 public:
  Table() = default;
  explicit Table(int fd) : fd_{fd} {}

  std::optional<Value> find(const Key& key) const {
    Value value{};
    if (bpf_map_lookup_elem(fd_, &key, &value) == 0) return value;
    return absent("lookup"), std::nullopt;
  }
  void put(const Key& key, const Value& value) const {
    if (bpf_map_update_elem(fd_, &key, &value, BPF_ANY) != 0) throw failure("update");
  }
  void erase(const Key& key) const {
    if (bpf_map_delete_elem(fd_, &key) != 0) absent("delete");
  }
  std::vector<Key> keys() const {
    std::vector<Key> out;
    Key key{};
    const Key* previous = nullptr;
    while (bpf_map_get_next_key(fd_, previous, &key) == 0) {
      out.push_back(key);
      previous = &out.back();
    }
    return absent("walk"), out;
  }
  std::size_t size() const { return keys().size(); }
  void clear() const {
    for (const Key& key : keys()) erase(key);
  }
  // One entry of a per-CPU array, whose values are a multiple of 8 bytes long: that of each processor.
  std::vector<Value> each_cpu(const Key& key) const {
    std::vector<Value> each(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    if (bpf_map_lookup_elem(fd_, &key, each.data()) != 0) throw failure("lookup");
    return each;
  }
  void clear_each_cpu(const Key& key) const {
    const std::vector<Value> each(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    if (bpf_map_update_elem(fd_, &key, each.data(), BPF_ANY) != 0) throw failure("update");
  }
  // Their sum, of counters.
  Value total(const Key& key) const {
    Value sum{};
    for (const Value& one : each_cpu(key)) {
      sum.packets += one.packets;
      sum.bytes += one.bytes;
    }
    return sum;
  }

 private:
  static std::system_error failure(const char* what) { return {errno, std::generic_category(), what}; }
  static void absent(const char* what) {
    if (errno != ENOENT) throw failure(what);
  }

  int fd_ = -1;
};

}  // namespace postern::test
