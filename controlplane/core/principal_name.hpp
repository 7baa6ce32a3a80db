// SPDX-License-Identifier: Apache-2.0
// Names of those who call, so that no kind of identity can pass for another: plain names are those of Unix users, of
// tokens and of whomever the configuration names so; "cert:…" and "oidc:…" are made from what a certificate or an issuer
// says; "uid:…" is a Unix user without a name.
#pragma once

#include <string>
#include <string_view>

namespace postern::core {

inline constexpr std::string_view certificate_kind = "cert:", oidc_kind = "oidc:", uid_kind = "uid:";

inline constexpr std::size_t outside_name_bytes_max = 256;  // what comes from elsewhere and is longer is no name

// Why the text is not fit to name somebody ("is empty", "has …"); empty: it is. Whoever reads a record must see what he reads.
std::string text_fault(std::string_view text);

// Whether the names may be one person's, who logs in in two ways: neither letter case nor the kind of log-in counts.
bool may_be_one(std::string_view name, std::string_view other);

// As a sentence, why a token or the configuration may not name somebody so; empty: it may.
std::string plain_name_fault(std::string_view name);

}  // namespace postern::core
