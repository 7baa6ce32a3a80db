// SPDX-License-Identifier: Apache-2.0
// The daemon's life after its configuration is known: parts are built, it serves until told to stop.
#pragma once

#include "controlplane/daemon/reload.hpp"

namespace postern::daemon {

// Exit codes; those of the command line come on top (config_fault for wrong use).
enum class Exit : int {
  stopped = 0,       // asked to by SIGTERM or SIGINT, or printed what it was asked for
  failed = 1,        // could not start (store, sockets) or broke
  config_fault = 2,  // command line or configuration
};

// `reread`: on SIGHUP.
Exit run(const Loaded& loaded, Reader reread);

}  // namespace postern::daemon
