// SPDX-License-Identifier: Apache-2.0
// The route table of both APIs and how a path is matched with it: fixed segments without regard to case, {names}
// bound to decoded segments. A handler decodes, asks the Gatekeeper, encodes; it decides nothing.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controlplane/core/access.hpp"
#include "controlplane/http/message.hpp"
#include "controlplane/http/problem.hpp"
#include "controlplane/http/target.hpp"

namespace postern::http {

class Api;

struct ListLinks {
  std::string base;  // scheme and authority that the client used, for absolute links
  std::size_t page_size = 100;
};

// Calls that came to no decision, since the daemon started.
struct CallCounts {
  std::uint64_t failed_logins = 0;  // nobody known, or none said
  std::uint64_t limited_callers = 0, limited_sources = 0;  // answered with 429
};

// What a handler sees of a call.
struct Call {
  core::Gatekeeper& gatekeeper;
  core::Caller caller;
  Target target;
  std::vector<std::pair<std::string_view, std::string>> parameters;
  std::string_view body;
  const HttpRequest& request;  // these three: for whoever goes on after the answer
  const Peer& peer;
  const Api& api;
  ListLinks links;
  std::string_view accept = {};  // the header
  CallCounts counts = {};

  const std::string& parameter(std::string_view name) const;  // one of the route's pattern
  core::PolicyId policy_id() const;                           // from sub, rg, loc, name
};

using Handler = HttpResponse (*)(Call&);

// Of a request for access, which may share a sync with others: what it asks for, and how the outcome is told.
struct AccessForm {
  core::AccessCall (*asked)(const Call&);
  HttpResponse (*told)(const core::Result<core::RequestView>&);
};

struct Route {
  std::string_view method;
  std::string_view pattern;
  Handler handler;
  Dialect dialect;
  const AccessForm* access = nullptr;
};

struct Match {
  const Route* route = nullptr;  // none: `error` says why
  std::vector<std::pair<std::string_view, std::string>> parameters;
  core::Error error;
  std::string allow;  // of method_not_allowed
};

// HEAD is matched as GET.
Match match_route(std::string_view method, const Target& target);

const std::vector<Route>& route_table();

}  // namespace postern::http
