// SPDX-License-Identifier: Apache-2.0
// Everything that is wrong with a body, collected while it is read, and answered at once.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controlplane/core/result.hpp"

namespace postern::core {

inline constexpr std::size_t faults_told_max = 100;  // a body of 1 MiB could hold half a million

class Faults {
 public:
  Faults() = default;
  explicit Faults(std::vector<Fault> of_decoder) : found_(std::move(of_decoder)) {
    if (found_.size() > faults_told_max) found_.resize(faults_told_max);
  }

  void add(std::string target, std::string message);
  // A member that is required and absent. Says nothing where the decoder already complained of a wrong type.
  void missing(const std::string& target);
  // Those of a part, whose places are the part's own.
  void add_below(const std::string& place, const std::vector<Fault>& faults);
  bool any() const { return !found_.empty(); }
  const std::vector<Fault>& list() const { return found_; }

  // The value, or nothing and a fault with this place.
  template <class T>
  std::optional<T> take(Result<T> read, const std::string& target) {
    if (read) return *std::move(read);
    add(target, read.error().message);
    return std::nullopt;
  }

  // "<opening>: <first fault>", how many more there are, and the list.
  Error as_error(ErrorCode code, std::string_view opening) const;

 private:
  std::vector<Fault> found_;
};

std::string indexed(std::string_view list, std::size_t index);  // "ports[1]"

}  // namespace postern::core
