// SPDX-License-Identifier: Apache-2.0
// The description of our own API names what the route table has, no more and no less, and holds together. Whether it tells the
// truth about the answers is e2e.openapi's.
#include "controlplane/http/openapi.hpp"

#include <nlohmann/json.hpp>
#include <set>

#include "controlplane/http/routes.hpp"
#include "tests/support/catch.hpp"

using namespace postern;
using Json = nlohmann::ordered_json;
using Names = std::set<std::string>;

namespace {

const Json& document() {
  static const Json json = Json::parse(http::openapi_document);
  return json;
}

Names operations() {
  Names names;
  for (const auto& [path, item] : document()["paths"].items())
    for (const auto& [method, operation] : item.items()) {
      std::string verb = method;
      for (char& c : verb) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
      names.insert(verb + " " + path);
    }
  return names;
}

Names lacking(const Names& from, const Names& in) {
  Names rest;
  for (const auto& name : from)
    if (!in.contains(name)) rest.insert(name);
  return rest;
}

void collect(const Json& json, Names& references) {
  if (json.is_object() && json.contains("$ref")) references.insert(json["$ref"].get<std::string>());
  for (const auto& child : json)
    if (child.is_structured()) collect(child, references);
}

}  // namespace

TEST_CASE("each route of our own API has an operation in openapi.json, and each operation a route") {
  Names routes{"GET /healthz", "GET /readyz", "GET /v1/openapi.json"};  // answered before the table
  for (const auto& route : http::route_table())
    if (route.dialect == http::Dialect::own) routes.insert(std::string(route.method) + " " + std::string(route.pattern));
  INFO("left: in http/routes.cpp and not in http/openapi.json; then the other way round");
  CHECK(lacking(routes, operations()) == Names{});
  CHECK(lacking(operations(), routes) == Names{});
}

TEST_CASE("each operation says what becomes of any call that is too much") {
  for (const auto& [path, item] : document()["paths"].items())
    for (const auto& [method, operation] : item.items()) {
      INFO(method << " " << path);
      for (const char* status : {"429", "431", "500"}) CHECK(operation["responses"].contains(status));
    }
}

TEST_CASE("the parameters of a path are those of its operations, and each operation has a name of its own") {
  Names ids;
  for (const auto& [path, item] : document()["paths"].items()) {
    for (const auto& [method, operation] : item.items()) {
      INFO(method << " " << path);
      CHECK(ids.insert(operation["operationId"].get<std::string>()).second);
      Names named, bound;
      for (std::size_t at = path.find('{'); at != std::string::npos; at = path.find('{', at + 1))
        bound.insert(path.substr(at + 1, path.find('}', at) - at - 1));
      for (const auto& parameter : operation.value("parameters", Json::array()))
        if (parameter["in"] == "path") named.insert(parameter["name"].get<std::string>());
      CHECK(named == bound);
    }
  }
}

TEST_CASE("every reference leads somewhere, and no schema is left over") {
  Names references, schemas;
  collect(document(), references);
  for (const auto& reference : references) {
    INFO(reference);
    REQUIRE(reference.starts_with("#/"));
    CHECK(document().contains(Json::json_pointer(reference.substr(1))));
  }
  for (const auto& [name, schema] : document()["components"]["schemas"].items()) schemas.insert("#/components/schemas/" + name);
  CHECK(lacking(schemas, references) == Names{});
}

TEST_CASE("the codes of problems are those that there are") {
  Names codes, described;
#define CODE(name, wire) codes.insert(wire);
  POSTERN_ERROR_CODES(CODE)
#undef CODE
  for (const char* unread : {"BadRequest", "RequestHeaderFieldsTooLarge"}) codes.insert(unread);  // of what was never a request
  for (const auto& code : document()["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]) described.insert(code.get<std::string>());
  CHECK(codes == described);
}
