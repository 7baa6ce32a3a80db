// SPDX-License-Identifier: Apache-2.0
#include "controlplane/store/signed_head.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <vector>

namespace postern::store {

namespace {

constexpr std::string_view head_word = "postern-audit-head", checkpoint_word = "postern-audit-checkpoint";

std::string_view view_of(const Hash& hash) {
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (std::size_t begin = 0; begin <= line.size();) {
    const std::size_t end = std::min(line.find(' ', begin), line.size());
    words.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

}  // namespace

std::string SignedHead::statement() const {
  return std::string(kind == Kind::head ? head_word : checkpoint_word) + " 1 " + std::to_string(sequence) + " " +
         hex(view_of(hash)) + " " + time + " " + key;
}

std::string SignedHead::line() const {
  return statement() + " " + hex(signature);
}

SignedHead signed_head(SignedHead::Kind kind, std::uint64_t sequence, const Hash& hash, core::UtcTime time,
                       const HeadKey& key) {
  SignedHead head{kind, sequence, hash, core::format_time(time), key.id(), ""};
  head.signature = key.sign(head.statement());
  return head;
}

std::optional<SignedHead> parse_head(std::string_view line) {
  const auto words = words_of(line);
  if (words.size() != 7 || words[1] != "1" || (words[0] != head_word && words[0] != checkpoint_word)) return std::nullopt;
  SignedHead head;
  head.kind = words[0] == head_word ? SignedHead::Kind::head : SignedHead::Kind::checkpoint;
  const auto [end, error] = std::from_chars(words[2].data(), words[2].data() + words[2].size(), head.sequence);
  const std::string hash = from_hex(words[3]);
  if (error != std::errc{} || hash.size() != head.hash.size()) return std::nullopt;
  std::memcpy(head.hash.data(), hash.data(), hash.size());
  head.time = words[4];
  head.key = words[5];
  head.signature = from_hex(words[6]);
  // What does not come out again as it was is no line of ours: leading zeros, signs, other letters.
  if (head.signature.size() != 64 || head.line() != line) return std::nullopt;
  return head;
}

}  // namespace postern::store
