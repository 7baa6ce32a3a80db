// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/break_glass_bodies.hpp"

#include <charconv>

#include "controlplane/http/object_reader.hpp"

namespace postern::http {
namespace {

std::optional<Json> object_of(std::string_view body, core::DraftFaults& draft) {
  auto json = parse_json(body);
  if (json && json->is_object()) return std::move(*json);
  draft.unreadable = json ? "The body must be a JSON object." : json.error().message;
  return std::nullopt;
}

}  // namespace

core::ArmingDraft decode_arming(std::string_view body) {
  core::ArmingDraft draft;
  const auto json = object_of(body, draft);
  if (!json) return draft;
  ObjectReader reader(*json, "", Manner::strict, draft.faults);
  draft.principal = reader.text("principal");
  draft.scope = reader.text("scope");
  draft.duration = reader.text("duration");
  draft.grant_max = reader.text("maxGrantDuration");
  draft.reason = reader.text("reason");
  reader.refuse_unknown();
  return draft;
}

core::ReviewDraft decode_review(std::string_view body) {
  core::ReviewDraft draft;
  const auto json = body.empty() ? std::nullopt : object_of(body, draft);
  if (!json) return draft;
  ObjectReader reader(*json, "", Manner::strict, draft.faults);
  draft.note = reader.text("note");
  reader.refuse_unknown();
  return draft;
}

core::Result<bool> decode_cut(const Target& target) {
  bool cut = false;
  for (const auto& [name, value] : target.query) {
    const bool known = core::folded(name) == "cut" && (value.empty() || value == "true" || value == "false");
    if (!known) {
      const std::string message = "'" + name + "=" + value + "' is not known here; there is cut, true or false.";
      return core::Error{core::ErrorCode::invalid_input, message, name, {{message, name}}};
    }
    cut = value != "false";
  }
  return cut;
}

std::uint64_t decode_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() ? number : 0;
}

Json encode_use(const core::BreakGlassUse& use) {
  Json json{{"request", use.request},
            {"breakGlass", use.arming},
            {"timeUtc", core::format_time(use.time)},
            {"principal", use.principal},
            {"grants", use.grants},
            {"detail", use.detail}};
  if (use.reviewed) {
    json["reviewedUtc"] = core::format_time(*use.reviewed);
    json["reviewedBy"] = use.reviewed_by;
    if (!use.note.empty()) json["note"] = use.note;
  }
  return json;
}

Json encode_arming(const core::ArmingView& view) {
  const core::Arming& arming = view.arming;
  Json json{{"id", arming.id},
            {"principal", arming.principal},
            {"scope", arming.scope},
            {"state", view.armed ? "armed" : arming.disarmed ? "disarmed" : "ended"},
            {"armedBy", arming.armed_by},
            {"reason", arming.reason},
            {"startTimeUtc", core::format_time(arming.start)},
            {"endTimeUtc", core::format_time(arming.end)},
            {"maxGrantDuration", core::format_duration(arming.grant_max)}};
  if (arming.disarmed) {
    json["disarmedUtc"] = core::format_time(*arming.disarmed);
    json["disarmedBy"] = arming.disarmed_by;
  }
  Json& uses = json["uses"] = Json::array();
  for (const auto& use : view.uses) uses.push_back(encode_use(use));
  return json;
}

}  // namespace postern::http
