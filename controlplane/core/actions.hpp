// SPDX-License-Identifier: Apache-2.0
// The actions that roles name: Azure's for policies, our own for what Azure's interface lacks.
#pragma once

#include <array>
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
inline constexpr std::string_view role_read = "Postern/roles/read";
inline constexpr std::string_view break_glass_read = "Postern/breakGlass/read";
inline constexpr std::string_view break_glass_write = "Postern/breakGlass/write";    // arm
inline constexpr std::string_view break_glass_delete = "Postern/breakGlass/delete";  // disarm
inline constexpr std::string_view break_glass_review = "Postern/breakGlass/review/action";

// Every action there is. What is not here nobody is refused for, and nobody can be kept from handing on.
inline constexpr std::array all{
    policy_read,  policy_write,   policy_delete,    policy_initiate,   policy_revoke,      policy_approve,
    machine_read, machine_write,  machine_delete,   switch_read,       switch_write,       token_read,
    token_write,  token_delete,   gate_read,    audit_read,     role_read,        break_glass_read,  break_glass_write,  break_glass_delete,
    break_glass_review};

}  // namespace postern::core::actions
