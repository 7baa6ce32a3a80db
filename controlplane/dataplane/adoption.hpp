// SPDX-License-Identifier: Apache-2.0
// Asks the loader, by the socket that starts it, to take over the open sessions of services. What comes of it is told, not
// returned: a session that could not be adopted is no reason not to guard its port.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>

#include "controlplane/core/result.hpp"

namespace postern::dataplane {

class Adoption {
 public:
  // Of a whole exchange, whatever the other side does: a million tracked connections take about two seconds.
  static constexpr std::chrono::milliseconds usual_patience{3000};
  explicit Adoption(std::filesystem::path socket, std::chrono::milliseconds patience = usual_patience)
      : socket_(std::move(socket)), patience_(patience) {}

  // Waits for the answer, at most as long as its patience.
  void adopt(const std::set<std::uint32_t>& services);
  // A sentence about the last time, or that there is nobody to ask the next time; empty if all is well.
  std::string trouble() const;

 private:
  core::Result<std::string> ask(const std::string& line) const;

  std::filesystem::path socket_;
  std::chrono::milliseconds patience_;
  std::string trouble_;
};

}  // namespace postern::dataplane
