// SPDX-License-Identifier: Apache-2.0
// Files that people make with spreadsheets: what is read, and which row is at fault.
#include "tools/postern/input_file.hpp"

#include "tests/support/catch.hpp"
#include "tools/postern/failure.hpp"

using namespace postern::cli;

namespace {

std::vector<CsvRow> rows_of(const std::string& text) {
  return read_csv(text, {"name", "addresses"}, "f.csv");
}

}  // namespace

TEST_CASE("a spreadsheet's rows are read in whatever form it writes them") {
  for (const auto* text : {"name,addresses\nvm1,10.0.0.1 10.0.0.2\nvm2,\n", "Name,Addresses\r\nvm1,10.0.0.1 10.0.0.2\r\nvm2,\r\n",
                           "\xef\xbb\xbfname;addresses\r\nvm1; 10.0.0.1 10.0.0.2 \r\nvm2",
                           "\"name\",\"addresses\"\n\"vm1\",\"10.0.0.1 10.0.0.2\"\nvm2\n,\n\n"}) {
    INFO(text);
    const auto rows = rows_of(text);
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].cells == std::map<std::string, std::string>{{"name", "vm1"}, {"addresses", "10.0.0.1 10.0.0.2"}});
    CHECK(rows[1].cells == std::map<std::string, std::string>{{"name", "vm2"}});
    CHECK(rows[1].number == 3);
  }
  CHECK(rows_of("name\n\"a \"\"b\"\", c\"\n")[0].cells.at("name") == "a \"b\", c");
}

TEST_CASE("a file that cannot be meant is refused, with the row") {
  struct Row {
    const char *text, *says;
  };
  const auto row = GENERATE(values<Row>({{"", "empty"},
                                         {"name,colour\n", "row 1: there is no column 'colour', only name, addresses"},
                                         {"name,NAME\n", "row 1: the column 'NAME' stands there twice"},
                                         {"name\nvm1,x\n", "row 2 has more cells"},
                                         {"name\nvm1\n\"vm2\n", "row 3: a quotation mark"},
                                         {"name\n\"vm\"1\n", "row 2: a quotation mark"}}));
  try {
    rows_of(row.text);
    FAIL("it was taken: " << row.text);
  } catch (const Failure& failure) {
    CHECK(failure.exit == Exit::usage);
    CHECK(failure.message.find(row.says) != std::string::npos);
  }
}
