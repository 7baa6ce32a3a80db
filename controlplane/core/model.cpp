// SPDX-License-Identifier: Apache-2.0
// Names and keys of the nouns.
#include "controlplane/core/model.hpp"

namespace postern::core {

std::string folded(std::string_view text) {
  std::string result(text);
  for (char& character : result) {
    if (character >= 'A' && character <= 'Z') character = static_cast<char>(character - 'A' + 'a');
  }
  return result;
}

std::string_view wire_name(Protocol protocol) {
  switch (protocol) {
    case Protocol::any:
      return "*";
    case Protocol::tcp:
      return "TCP";
    case Protocol::udp:
      return "UDP";
  }
  return "*";
}

bool overlap(Protocol left, Protocol right) {
  return left == right || left == Protocol::any || right == Protocol::any;
}

std::string_view wire_name(Ending ending) {
  return ending == Ending::cut ? "cut" : "drain";
}

std::string_view wire_name(Mode mode) {
  return mode == Mode::monitor ? "monitor" : "enforce";
}

std::string_view wire_name(Justification justification) {
  return justification == Justification::required ? "required" : "optional";
}

std::string_view wire_name(Approval approval) {
  return approval == Approval::approve ? "approve" : "auto";
}

std::string_view wire_name(GrantState state) {
  switch (state) {
    case GrantState::live:
      return "live";
    case GrantState::ended:
      return "ended";
    case GrantState::pending:
      return "pending";
    case GrantState::scheduled:
      return "scheduled";
  }
  return "ended";
}

std::string_view wire_name(EndReason reason) {
  switch (reason) {
    case EndReason::expired:
      return "Expired";
    case EndReason::replaced:
      return "NewerRequestInitiated";
    case EndReason::none:
    case EndReason::revoked:
    case EndReason::policy_removed:
    case EndReason::taken_back:
      return "UserRequested";
  }
  return "UserRequested";
}

std::string_view wire_name(Outcome outcome) {
  switch (outcome) {
    case Outcome::allowed:
      return "allowed";
    case Outcome::refused:
      return "refused";
    case Outcome::failed:
      return "failed";
  }
  return "failed";
}

std::string PolicyId::path() const {
  return "/subscriptions/" + subscription + "/resourceGroups/" + resource_group +
         "/providers/Microsoft.Security/locations/" + location + "/jitNetworkAccessPolicies/" + name;
}

}  // namespace postern::core
