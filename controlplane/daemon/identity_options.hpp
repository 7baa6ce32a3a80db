// SPDX-License-Identifier: Apache-2.0
// Readers of the options that say who may log in, as whom, and how often.
#pragma once

#include "controlplane/daemon/options.hpp"

namespace postern::daemon {

core::Result<void> read_certificate_users(const Json& value, Config& config);
core::Result<void> read_oidc_issuer(const Json& value, Config& config);
core::Result<void> read_oidc_audience(const Json& value, Config& config);
core::Result<void> read_oidc_keys(const Json& value, Config& config);
core::Result<void> read_oidc_ca(const Json& value, Config& config);
core::Result<void> read_oidc_name_claim(const Json& value, Config& config);
core::Result<void> read_oidc_roles_claim(const Json& value, Config& config);
core::Result<void> read_oidc_roles(const Json& value, Config& config);
core::Result<void> read_oidc_principals(const Json& value, Config& config);
core::Result<void> read_rate_limit(const Json& value, Config& config);
core::Result<void> read_failed_login_limit(const Json& value, Config& config);

// All whom the options give rights, of whatever kind of log-in.
std::vector<core::ConfiguredUser> configured_users(const Config& config);

}  // namespace postern::daemon
