// SPDX-License-Identifier: Apache-2.0
// Pages of a list: in order of id, continued after the last id shown (not at an offset, so that policies may come
// and go between pages), the token opaque and bound to the filter.
#pragma once

#include <string>
#include <vector>

#include "controlplane/core/access.hpp"
#include "controlplane/http/routes.hpp"

namespace postern::http {

struct PolicyPage {
  std::vector<core::PolicyView> policies;
  std::string next_link;  // absolute; empty on the last page
};

// Fails with InvalidRequestContent if the target's $skipToken is not of a list with this filter.
core::Result<PolicyPage> page_of(std::vector<core::PolicyView> policies, const core::PolicyFilter& filter,
                                 const Target& target, const ListLinks& links);

}  // namespace postern::http
