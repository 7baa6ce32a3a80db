// SPDX-License-Identifier: Apache-2.0
// What our own API shows of machines beside themselves: how they are reached, and what turns their guard off.
#pragma once

#include "controlplane/core/access.hpp"
#include "controlplane/http/json_body.hpp"

namespace postern::http {

Json encode_switch(const core::Switch& each);
Json encode_endpoints(const std::vector<core::Endpoint>& endpoints);
Json encode_exposure(const core::ExposureView& view);
Json encode_connection(const core::ConnectionView& view);

}  // namespace postern::http
