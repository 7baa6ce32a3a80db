// SPDX-License-Identifier: Apache-2.0
// The bodies of break-glass (docs/api.md), read and written.
#pragma once

#include "controlplane/core/access.hpp"
#include "controlplane/http/json_body.hpp"
#include "controlplane/http/target.hpp"

namespace postern::http {

core::ArmingDraft decode_arming(std::string_view body);
core::ReviewDraft decode_review(std::string_view body);  // an empty body says nothing
core::Result<bool> decode_cut(const Target& target);     // ?cut, ?cut=true
std::uint64_t decode_number(std::string_view text);      // 0, which nothing has, if it is none

Json encode_use(const core::BreakGlassUse& use);
Json encode_arming(const core::ArmingView& view);  // with its uses

}  // namespace postern::http
