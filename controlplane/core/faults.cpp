// SPDX-License-Identifier: Apache-2.0
// Collected faults, see faults.hpp.
#include "controlplane/core/faults.hpp"

#include <algorithm>

namespace postern::core {

void Faults::add(std::string target, std::string message) {
  if (found_.size() < faults_told_max) found_.push_back({std::move(message), std::move(target)});
}

void Faults::add_below(const std::string& place, const std::vector<Fault>& faults) {
  for (const auto& fault : faults) add(fault.target.empty() ? place : place + "." + fault.target, fault.message);
}

void Faults::missing(const std::string& target) {
  const bool known = std::any_of(found_.begin(), found_.end(), [&](const Fault& f) { return f.target == target; });
  if (!known) add(target, "'" + target.substr(target.rfind('.') + 1) + "' is required.");
}

Error Faults::as_error(ErrorCode code, std::string_view opening) const {
  Error error{code, std::string(opening) + ": " + found_.front().message, found_.front().target, found_};
  if (found_.size() == 2) error.message += " One more fault is listed in the details.";
  if (found_.size() > 2)
    error.message += " " + std::to_string(found_.size() - 1) + " more faults are listed in the details.";
  return error;
}

std::string indexed(std::string_view list, std::size_t index) {
  return std::string(list) + "[" + std::to_string(index) + "]";
}

}  // namespace postern::core
