// SPDX-License-Identifier: Apache-2.0
// Request targets: split before decoded, and what must not get past.
#include "controlplane/http/target.hpp"

#include "tests/support/catch.hpp"

using namespace postern::http;

TEST_CASE("a path is split before it is decoded") {
  struct Row {
    const char* name;
    const char* target;
    std::vector<std::string> segments;
  };
  const auto row = GENERATE(values<Row>({
      {"plain", "/v1/machines", {"v1", "machines"}},
      {"a blank", "/locations/west%20europe", {"locations", "west europe"}},
      {"an encoded slash stays in its segment", "/v1/machines/a%2Fb", {"v1", "machines", "a/b"}},
      {"hex in both cases", "/%c3%A4", {"\xc3\xa4"}},
      {"an encoded percent is decoded once", "/%2541", {"%41"}},
      {"a plus is a plus", "/a+b", {"a+b"}},
      {"one trailing slash adds nothing", "/v1/machines/", {"v1", "machines"}},
      {"an empty segment is one", "/v1//x", {"v1", "", "x"}},
      {"the root", "/", {}},
      {"a fragment is cut off", "/v1/status#x/y", {"v1", "status"}},
  }));
  DYNAMIC_SECTION(row.name) {
    const auto target = parse_target(row.target);
    REQUIRE(target);
    CHECK(target->segments == row.segments);
  }
}

TEST_CASE("targets that are refused") {
  struct Row {
    const char* name;
    std::string target;
  };
  const auto row = GENERATE(values<Row>({
      {"empty", ""},
      {"absolute form", "http://localhost/v1/status"},
      {"asterisk form", "*"},
      {"percent at the end", "/a%"},
      {"percent and one digit", "/a%4"},
      {"percent and no hex", "/a%zz"},
      {"an encoded zero byte", "/a%00b"},
      {"an encoded line break", "/a%0d%0aX-Evil:%201"},
      {"a delete character", "/a%7f"},
      {"a lone continuation byte", "/%80"},
      {"an overlong slash", "/%c0%af"},
      {"a surrogate", "/%ed%a0%80"},
      {"a cut-off character", "/%e2%82"},
      {"beyond the last character", "/%f4%90%80%80"},
      {"a bad query", "/v1/audit?machine=%zz"},
      {"a bad name in the query", "/v1/audit?%zz=1"},
  }));
  DYNAMIC_SECTION(row.name) {
    const auto target = parse_target(row.target);
    REQUIRE_FALSE(target);
    CHECK(target.error().code == postern::core::ErrorCode::invalid_request_content);
  }
}

TEST_CASE("query parameters are found without regard to case, and values keep theirs") {
  const auto target =
      parse_target("/x?API-Version=2020-01-01&%24skipToken=aB&empty=&bare&from=2030-01-01T00:00:00%2B02:00&&=x");
  REQUIRE(target);
  CHECK(target->parameter("api-version") == "2020-01-01");
  CHECK(target->parameter("$skiptoken") == "aB");
  CHECK(target->parameter("empty") == "");
  CHECK(target->parameter("bare") == "");
  CHECK(target->parameter("from") == "2030-01-01T00:00:00+02:00");
  CHECK_FALSE(target->parameter("absent"));
  CHECK(target->raw_path == "/x");
}

TEST_CASE("which API's errors a target gets") {
  CHECK(is_azure_path("/subscriptions/x"));
  CHECK(is_azure_path("/SubScriptions"));
  CHECK(is_azure_path("/subscriptions?x"));
  CHECK_FALSE(is_azure_path("/subscriptionsx"));
  CHECK_FALSE(is_azure_path("/v1/subscriptions"));
  CHECK_FALSE(is_azure_path(""));
}

TEST_CASE("percent encoding is undone by decoding") {
  const std::string odd = "a b/\xc3\xa4%?&=+~-._";
  const auto target = parse_target("/" + percent_encode(odd));
  REQUIRE(target);
  CHECK(target->segments == std::vector<std::string>{odd});
}
