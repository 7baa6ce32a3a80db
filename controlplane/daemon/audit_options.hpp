// SPDX-License-Identifier: Apache-2.0
// How the options of the audit are read.
#pragma once

#include "controlplane/daemon/options.hpp"

namespace postern::daemon {

core::Result<void> read_audit_retention(const Json& value, Config& config);
core::Result<void> read_audit_journal(const Json& value, Config& config);
core::Result<void> read_audit_webhooks(const Json& value, Config& config);

}  // namespace postern::daemon
