// SPDX-License-Identifier: Apache-2.0
// What monitoring reads: the text exposition format of Prometheus, version 0.0.4.
#pragma once

#include <span>
#include <string>

#include "controlplane/core/access.hpp"
#include "controlplane/http/routes.hpp"

namespace postern::http {

inline constexpr const char* metrics_content_type = "text/plain; version=0.0.4; charset=utf-8";

// `status` is null where the gate cannot be read.
std::string metrics_text(bool ready, const CallCounts& calls, const core::GateStatus* status,
                         std::span<const core::ServiceCount> services, const core::TrailCounts& trail);

}  // namespace postern::http
