// SPDX-License-Identifier: Apache-2.0
// Somebody who is armed with break-glass, and how he asks.
#pragma once

#include "tests/unit/core/gate_world.hpp"

namespace postern::tests {

inline const std::string other_group = "/subscriptions/" + subscription + "/resourceGroups/lab2";

inline core::ArmingDraft arming_of(const std::string& who, const std::string& scope = "/", const std::string& duration = "PT12H") {
  core::ArmingDraft draft;
  draft.principal = who;
  draft.scope = scope;
  draft.duration = duration;
  draft.reason = "on call";
  return draft;
}

// By name, as the command line sends it. 3389 of vm1 is for 203.0.113.0/24 and one hour.
inline core::AccessDraft glass(const std::string& machine = "vm1", const Ask& port = {"22", "PT1H", {"198.51.100.7"}}) {
  auto draft = ask(machine, port);
  draft.machines.front().id = machine;
  draft.break_glass = true;
  draft.justification = "the night shift is locked out";
  return draft;
}

// Somebody without any role, from an address that no rule names.
inline core::Caller eve() {
  return {{"eve", {}}, core::parse_address("198.51.100.7").value(), "call-2", ""};
}

struct GlassWorld : GateWorld {
  GlassWorld() { furnish(); }
  std::uint64_t armed(const core::ArmingDraft& draft = arming_of("eve")) {
    const auto view = gate->arm(admin(), draft);
    if (!view) FAIL(view.error().message);
    return view->arming.id;
  }
  core::Grant used(const core::AccessDraft& draft = glass()) {
    const auto view = gate->request(eve(), draft);
    if (!view) FAIL(view.error().message);
    return view->grants.front();
  }
  // Refused so, with one record, and nothing opened.
  void refused(const core::Caller& who, const core::AccessDraft& draft, core::ErrorCode code) {
    const auto before = store.records().size();
    const auto maps = dataplane.maps;
    const auto view = gate->request(who, draft);
    REQUIRE_FALSE(view.has_value());
    CHECK(core::wire_name(view.error().code) == core::wire_name(code));
    CHECK(dataplane.maps == maps);
    REQUIRE(records_since(before).size() == 1);
    CHECK(records_since(before).front().operation == "breakglass.use");
    CHECK(records_since(before).front().outcome == core::Outcome::refused);
  }
};

}  // namespace postern::tests
