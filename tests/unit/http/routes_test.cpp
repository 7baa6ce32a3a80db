// SPDX-License-Identifier: Apache-2.0
// Which paths and methods lead where: any case, percent-encoding, 404 and 405.
#include "controlplane/http/routes.hpp"

#include "tests/support/catch.hpp"

using namespace postern;

namespace {

const std::string sub = "/subscriptions/11111111-2222-3333-4444-555555555555";
const std::string group = sub + "/resourceGroups/lab";
const std::string provider = "/providers/Microsoft.Security";
const std::string policies = "/locations/west%20europe/jitNetworkAccessPolicies";

http::Match match(const std::string& method, const std::string& path) {
  return http::match_route(method, http::parse_target(path).value());
}

}  // namespace

TEST_CASE("paths that lead somewhere") {
  struct Row {
    const char* method;
    std::string path;
    const char* pattern;
  };
  const auto row = GENERATE(values<Row>({
      {"GET", sub + provider + "/jitNetworkAccessPolicies",
       "/subscriptions/{sub}/providers/Microsoft.Security/jitNetworkAccessPolicies"},
      {"GET", sub + provider + policies,
       "/subscriptions/{sub}/providers/Microsoft.Security/locations/{loc}/jitNetworkAccessPolicies"},
      {"GET", group + provider + "/jitNetworkAccessPolicies",
       "/subscriptions/{sub}/resourceGroups/{rg}/providers/Microsoft.Security/jitNetworkAccessPolicies"},
      {"GET", group + provider + policies,
       "/subscriptions/{sub}/resourceGroups/{rg}/providers/Microsoft.Security/locations/{loc}/"
       "jitNetworkAccessPolicies"},
      {"GET", group + provider + policies + "/default",
       "/subscriptions/{sub}/resourceGroups/{rg}/providers/Microsoft.Security/locations/{loc}/jitNetworkAccessPolicies/"
       "{name}"},
      {"HEAD", "/v1/machines", "/v1/machines"},
      {"PUT", "/V1/Machines/vm1", "/v1/machines/{name}"},
      {"GET", "/v1/audit/verify", "/v1/audit/verify"},
      {"POST", "/v1/grants/17/revoke", "/v1/grants/{serial}/revoke"},
      {"POST", group + provider + policies + "/default/Initiate",
       "/subscriptions/{sub}/resourceGroups/{rg}/providers/Microsoft.Security/locations/{loc}/jitNetworkAccessPolicies/"
       "{name}/initiate"},
      {"GET",
       "/SUBSCRIPTIONS/11111111-2222-3333-4444-aaaaaaaaaaaA/resourcegroups/LAB/PROVIDERS/microsoft.Security/Locations/"
       "x/JITNetworkAccessPolicies/n",
       "/subscriptions/{sub}/resourceGroups/{rg}/providers/Microsoft.Security/locations/{loc}/jitNetworkAccessPolicies/"
       "{name}"},
  }));
  DYNAMIC_SECTION(row.method << " " << row.path) {
    const auto found = match(row.method, row.path);
    REQUIRE(found.route);
    CHECK(found.route->pattern == row.pattern);
  }
}

TEST_CASE("paths that lead nowhere") {
  struct Row {
    const char* name;
    const char* method;
    std::string path;
    core::ErrorCode code;
  };
  using enum core::ErrorCode;
  const auto row = GENERATE(values<Row>({
      {"the root", "GET", "/", invalid_resource_type},
      {"another API", "GET", "/v2/machines", invalid_resource_type},
      {"too long", "GET", "/v1/machines/a/b", invalid_resource_type},
      {"an empty name", "GET", "/v1/machines//", invalid_resource_type},
      {"an encoded slash is no separator", "POST", "/v1/grants%2F1%2Frevoke", invalid_resource_type},
      {"another provider", "GET", sub + "/providers/Microsoft.Compute/virtualMachines", invalid_resource_type},
      {"another resource", "GET", sub + provider + "/alerts", invalid_resource_type},
      {"a subscription that is no GUID", "GET", "/subscriptions/mine" + provider + "/jitNetworkAccessPolicies",
       invalid_resource_type},
      {"a GUID with a letter too many", "GET",
       "/subscriptions/11111111-2222-3333-4444-5555555555555" + provider + "/jitNetworkAccessPolicies",
       invalid_resource_type},
      {"a GUID with a g", "GET",
       "/subscriptions/11111111-2222-3333-4444-55555555555g" + provider + "/jitNetworkAccessPolicies",
       invalid_resource_type},
      {"a group with a blank", "GET", sub + "/resourceGroups/a%20b" + provider + "/jitNetworkAccessPolicies",
       invalid_resource_type},
      {"a group of 91", "GET", sub + "/resourceGroups/" + std::string(91, 'x') + provider + "/jitNetworkAccessPolicies",
       invalid_resource_type},
      {"PATCH of a policy", "PATCH", group + provider + policies + "/default", method_not_allowed},
      {"GET of initiate", "GET", group + provider + policies + "/default/initiate", method_not_allowed},
      {"POST of a list", "POST", sub + provider + policies, method_not_allowed},
      {"DELETE of the machines", "DELETE", "/v1/machines", method_not_allowed},
      {"methods have one case only", "get", "/v1/machines", method_not_allowed},
      {"OPTIONS", "OPTIONS", "/v1/machines", method_not_allowed},
  }));
  DYNAMIC_SECTION(row.name) {
    const auto found = match(row.method, row.path);
    CHECK_FALSE(found.route);
    CHECK(found.error.code == row.code);
    CHECK(found.allow.empty() == (row.code != method_not_allowed));
  }
}

TEST_CASE("a wrong method is told the right ones") {
  CHECK(match("PATCH", group + provider + policies + "/default").allow == "GET, HEAD, PUT, DELETE");
  CHECK(match("GET", "/v1/requests").allow == "POST");
}

TEST_CASE("parameters are decoded and keep their spelling") {
  const auto found = match("GET", group + provider + policies + "/My%2FPolicy");
  REQUIRE(found.route);
  REQUIRE(found.parameters.size() == 4);
  CHECK(found.parameters[0].second == "11111111-2222-3333-4444-555555555555");
  CHECK(found.parameters[1].second == "lab");
  CHECK(found.parameters[2].second == "west europe");
  CHECK(found.parameters[3].second == "My/Policy");
}

TEST_CASE("every code has a status that its class demands") {
  CHECK(http::status_of(core::ErrorCode::authentication_failed) == 401);
  CHECK(http::status_of(core::ErrorCode::not_subset_of_policy) == 400);
  CHECK(http::status_of(core::ErrorCode::authorization_failed) == 403);
  CHECK(http::status_of(core::ErrorCode::policy_not_found) == 404);
  CHECK(http::status_of(core::ErrorCode::entity_too_large) == 413);
  CHECK(http::status_of(core::ErrorCode::too_many_requests) == 429);
  for (int code = 0; code <= static_cast<int>(core::ErrorCode::internal); ++code) {
    const int status = http::status_of(static_cast<core::ErrorCode>(code));
    CHECK(status >= 400);
    CHECK(http::status_text(status) != (status == 500 ? "" : "Internal Server Error"));
  }
}
