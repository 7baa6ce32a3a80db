// SPDX-License-Identifier: Apache-2.0
// Policies, requests and errors as the Azure-compatible API writes them: times with seven decimals, one source as
// `allowedSourceAddressPrefix` and more as `…Prefixes`, members without a value left out.
#pragma once

#include "controlplane/core/access.hpp"
#include "controlplane/http/json_body.hpp"

namespace postern::http {

Json encode_policy(const core::PolicyView& view);
// The 202 body of initiate: as it was when it was accepted, also when a repeat of the call comes later.
Json encode_accepted(const core::RequestView& view);
Json encode_revoked(const std::vector<core::GrantView>& grants);
Json encode_azure_error(const core::Error& error);

}  // namespace postern::http
