// SPDX-License-Identifier: Apache-2.0
// The actions that roles name: Azure's for policies, our own for what Azure's interface lacks.
#pragma once

#include <string_view>

namespace postern::core::actions {

inline constexpr std::string_view policy_read = "Microsoft.Security/locations/jitNetworkAccessPolicies/read";
inline constexpr std::string_view policy_write = "Microsoft.Security/locations/jitNetworkAccessPolicies/write";
inline constexpr std::string_view policy_delete = "Microsoft.Security/locations/jitNetworkAccessPolicies/delete";
inline constexpr std::string_view policy_initiate =
    "Microsoft.Security/locations/jitNetworkAccessPolicies/initiate/action";
inline constexpr std::string_view policy_revoke = "Microsoft.Security/locations/jitNetworkAccessPolicies/revoke/action";
inline constexpr std::string_view policy_approve =
    "Microsoft.Security/locations/jitNetworkAccessPolicies/approve/action";

inline constexpr std::string_view machine_read = "Postern/machines/read";
inline constexpr std::string_view machine_write = "Postern/machines/write";
inline constexpr std::string_view machine_delete = "Postern/machines/delete";
inline constexpr std::string_view switch_read = "Postern/switches/read";
inline constexpr std::string_view switch_write = "Postern/switches/write";
inline constexpr std::string_view token_read = "Postern/tokens/read";
inline constexpr std::string_view token_write = "Postern/tokens/write";
inline constexpr std::string_view token_delete = "Postern/tokens/delete";
inline constexpr std::string_view gate_read = "Postern/gate/read";
inline constexpr std::string_view audit_read = "Postern/audit/read";

}  // namespace postern::core::actions
