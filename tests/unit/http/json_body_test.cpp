// SPDX-License-Identifier: Apache-2.0
// Bodies that are no good JSON, each refused with a sentence; and the bound on depth at its edge.
#include "controlplane/http/json_body.hpp"

#include "tests/support/catch.hpp"

using namespace postern::http;

namespace {
std::string nested(int depth) {
  return std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']');
}

std::string with_members(int count) {
  std::string json = "{";
  for (int i = 0; i < count; ++i) json += (i ? ",\"m" : "\"m") + std::to_string(i) + "\":0";
  return json + "}";
}
}  // namespace

TEST_CASE("bodies that are refused say why") {
  struct Row {
    const char* name;
    std::string body;
    const char* says;
  };
  const auto row = GENERATE(values<Row>({
      {"nothing", "", "no body"},
      {"blanks", "  \r\n", "not valid JSON"},
      {"cut off", R"({"a":)", "not valid JSON"},
      {"something after", R"({} x)", "not valid JSON"},
      {"a comment", "{} // x", "not valid JSON"},
      {"single quotes", "{'a':1}", "not valid JSON"},
      {"not UTF-8", "{\"a\":\"\xff\"}", "not valid JSON"},
      {"a raw line break in a string", "{\"a\":\"\n\"}", "not valid JSON"},
      {"NaN", R"({"a":NaN})", "not valid JSON"},
      {"a number too large for any type", R"({"a":1e999})", "not valid JSON"},
      {"the same key twice", R"({"a":1,"a":2})", "'a' appears twice"},
      {"keys that differ in case only", R"({"Ports":[],"ports":[]})", "'ports' appears twice"},
      {"such keys deep inside", R"({"x":[{"id":1,"ID":2}]})", "'ID' appears twice"},
      {"one level too deep", nested(json_depth_max + 1), "nested more than 32"},
      {"a megabyte of brackets", std::string(1 << 20, '['), "nested more than 32"},
      {"too many members", with_members(101), "more than 100 members"},
  }));
  DYNAMIC_SECTION(row.name) {
    const auto json = parse_json(row.body);
    REQUIRE_FALSE(json);
    CHECK_THAT(json.error().message, Catch::Matchers::Contains(row.says));
  }
}

TEST_CASE("bodies just inside the bounds are read") {
  CHECK(parse_json(nested(json_depth_max)));
  CHECK(parse_json(with_members(100)));
  CHECK(parse_json("\xef\xbb\xbf{}"));  // Windows tools write a byte order mark
  CHECK(parse_json("{\r\n  \"a\": [ ]\r\n}"));
  CHECK(parse_json(R"([{"a":1},{"a":2}])"));  // the same name in two objects
}

TEST_CASE("what is no UTF-8 does not keep an answer from being written") {
  CHECK(to_text(Json{{"a", "\xff"}}) == "{\"a\":\"\xef\xbf\xbd\"}");
}
