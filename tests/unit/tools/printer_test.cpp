// SPDX-License-Identifier: Apache-2.0
// What reaches the terminal: nothing that steers it, and the daemon's values as they came.
#include "tools/postern/printer.hpp"

#include "tests/support/catch.hpp"

namespace postern::cli {
namespace {

TEST_CASE("control characters are shown, not obeyed", "[printer_test]") {
  CHECK(printable("disk \033[31mfull\n") == "disk \\x1B[31mfull\\x0A");
  CHECK(printable("Zoë") == "Zoë");
}

TEST_CASE("members are text whatever their type", "[printer_test]") {
  const nlohmann::json object = {{"n", 22}, {"s", "x"}, {"l", {"a", "b"}}, {"b", true}, {"z", nullptr}};
  CHECK(text_of(object, "n") == "22");
  CHECK(text_of(object, "s") == "x");
  CHECK(text_of(object, "l") == "a, b");
  CHECK(text_of(object, "b") == "yes");
  CHECK(text_of(object, "z").empty());
  CHECK(text_of(object, "absent").empty());
  CHECK(text_of(nlohmann::json(nullptr), "absent").empty());
}

TEST_CASE("times that cannot be read are shown as they came", "[printer_test]") {
  CHECK(local_time("yesterday") == "yesterday");
  CHECK(time_left("2001-01-01T00:00:00.0000000Z") == "over");
  CHECK(time_left("2001-01-01T00:00:00+01:00").empty());
}

}  // namespace
}  // namespace postern::cli
