// SPDX-License-Identifier: Apache-2.0
// The text by which a repeated request is told from another one under the same client request id.
#pragma once

#include <string>

#include "controlplane/core/access.hpp"

namespace postern::core {

// Everything the body says, unambiguously (each part with its length).
std::string digest_text(const AccessDraft& draft);

}  // namespace postern::core
