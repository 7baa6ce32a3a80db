// SPDX-License-Identifier: Apache-2.0
// Asks the loader, by the socket that starts it, to take over the open sessions of services. What comes of it is told, not
// returned: a session that could not be adopted is no reason not to guard its port.
#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>

#include "controlplane/core/result.hpp"

namespace postern::dataplane {

class Adoption {
 public:
  explicit Adoption(std::filesystem::path socket) : socket_(std::move(socket)) {}

  // Waits for the answer, at most a few seconds.
  void adopt(const std::set<std::uint32_t>& services);
  // A sentence about the last time, empty if all was well.
  const std::string& trouble() const { return trouble_; }

 private:
  core::Result<std::string> ask(const std::string& line) const;

  std::filesystem::path socket_;
  std::string trouble_;
};

}  // namespace postern::dataplane
