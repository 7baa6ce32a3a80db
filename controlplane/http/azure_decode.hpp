// SPDX-License-Identifier: Apache-2.0
// Bodies of the Azure-compatible API as the core's text drafts. Accepts what the many clients send: names in any
// letter case, numbers as text, a source as string or array, unknown members. Never reads `properties.requests`:
// grants and requestors are the server's alone.
#pragma once

#include <string_view>

#include "controlplane/core/access.hpp"

namespace postern::http {

core::PolicyDraft decode_policy(std::string_view body);
core::AccessDraft decode_access(std::string_view body);  // of initiate and of revoke

}  // namespace postern::http
