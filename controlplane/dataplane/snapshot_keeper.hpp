// SPDX-License-Identifier: Apache-2.0
// Keeps the boot snapshot in step with what the maps guard: follows the plans that were carried out, and writes the file
// when services, addresses or failsafe sources have changed.
#pragma once

#include <filesystem>
#include <utility>

#include "controlplane/core/ports.hpp"

namespace postern::dataplane {

class SnapshotKeeper {
 public:
  // An empty path: keeps nothing.
  explicit SnapshotKeeper(std::filesystem::path path) : path_(std::move(path)) {}

  // The maps as they were read. Perhaps they are new and empty, so this alone is not written.
  void read(const core::Projection& maps);
  // The plan was carried out, so the maps hold what they should.
  void applied(const core::Plan& plan);
  // Some of a plan was carried out: nothing is written until the maps were read again.
  void lost() { known_ = dirty_ = false; }
  // Writes the file if something has changed; to be called again after an error.
  core::Result<void> save();
  const core::Result<void>& outcome() const { return outcome_; }  // of the last save

 private:
  std::filesystem::path path_;
  core::Projection guarded_;  // services, addresses, failsafe sources; nothing else
  bool known_ = false, settled_ = false, dirty_ = false;
  core::Result<void> outcome_;
};

}  // namespace postern::dataplane
