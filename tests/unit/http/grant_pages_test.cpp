// SPDX-License-Identifier: Apache-2.0
// A long list of grants comes in pages: each grant once, standing rules on the first.
#include "tests/support/catch.hpp"
#include "tests/unit/http/api_world.hpp"

using namespace postern::tests;
using Json = nlohmann::json;

TEST_CASE("a long list of grants comes in pages") {
  ApiWorld world;
  const auto port = [](int source) {
    return R"("number":22,"duration":"PT1H","allowedSourceAddressPrefix":"198.51.100.)" + std::to_string(source) + '"';
  };
  for (int source = 1; source <= 5; ++source)
    REQUIRE(world.call("POST", policy_path + "/initiate" + version, ask_body(port(source))).status() == 202);

  std::vector<int> serials;
  std::vector<std::size_t> sizes;
  std::string target = "/v1/grants?limit=2";
  for (;;) {
    const auto page = world.call("GET", target).json;
    sizes.push_back(page["grants"].size());
    for (const auto& grant : page["grants"]) serials.push_back(grant["serial"]);
    if (!page.contains("next")) break;
    target = "/v1/grants?limit=2&after=" + page["next"].dump();
  }
  CHECK(serials == std::vector<int>{1, 2, 3, 4, 5});
  CHECK(sizes == std::vector<std::size_t>{2, 2, 1});
  CHECK_FALSE(world.call("GET", "/v1/grants").json.contains("next"));
  CHECK(world.call("GET", "/v1/grants?limit=0").status() == 400);
  CHECK(world.call("GET", "/v1/grants?limit=10001").status() == 400);
  CHECK(world.call("GET", "/v1/grants?after=x").status() == 400);
}
