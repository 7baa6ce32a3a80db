// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/json_body.hpp"

#include <set>
#include <vector>

#include "controlplane/core/model.hpp"

namespace postern::http {
namespace {

// No body of ours has 20; the ordered map's look-up is linear, so that an object of 100,000 would take a minute.
constexpr std::size_t members_max = 100;

// Walks the text without building anything: depth, doubled keys and syntax are known before memory is spent.
class Inspector : public nlohmann::json_sax<Json> {
 public:
  std::string fault;

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return enter(); }
  bool end_object() override { return leave(); }
  bool start_array(std::size_t) override { return enter(); }
  bool end_array() override { return leave(); }

  bool key(string_t& name) override {
    auto& keys = keys_.back();
    if (keys.size() == members_max) {
      fault = "A JSON object has more than " + std::to_string(members_max) + " members.";
      return false;
    }
    if (keys.insert(core::folded(name)).second) return true;
    fault = "The member '" + name + "' appears twice in one object (letter case does not tell names apart).";
    return false;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& error) override {
    std::string_view what = error.what();
    if (const auto end = what.find("] "); end != std::string_view::npos) what.remove_prefix(end + 2);
    fault =
        "The body is not valid JSON: " + std::string(what.substr(0, 300)) + " (byte " + std::to_string(position) + ").";
    return false;
  }

 private:
  bool enter() {
    keys_.emplace_back();
    if (keys_.size() <= static_cast<std::size_t>(json_depth_max)) return true;
    fault = "The JSON body is nested more than " + std::to_string(json_depth_max) + " deep.";
    return false;
  }
  bool leave() {
    keys_.pop_back();
    return true;
  }

  std::vector<std::set<std::string>> keys_;
};

}  // namespace

core::Result<Json> parse_json(std::string_view body) {
  const auto refuse = [](std::string message) {
    return core::Error{core::ErrorCode::invalid_request_content, std::move(message), "", {}};
  };
  if (body.empty()) return refuse("The request has no body; a JSON object is expected.");
  Inspector inspector;
  if (!Json::sax_parse(body.begin(), body.end(), &inspector)) return refuse(inspector.fault);
  return Json::parse(body.begin(), body.end());
}

std::string to_text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace postern::http
