// SPDX-License-Identifier: Apache-2.0
// The access review as a document and as one table, each line of which says in its first cell what it is about.
#pragma once

#include <string>

#include "controlplane/core/review.hpp"
#include "controlplane/http/json_body.hpp"

namespace postern::http {

Json encode_review(const core::Review& review);
std::string review_csv(const core::Review& review);

}  // namespace postern::http
