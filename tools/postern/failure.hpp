// SPDX-License-Identifier: Apache-2.0
// How a command fails: one exit code, one sentence, every fault with its place, and what to do about it.
// A command line ends at its first failure, so this is thrown to main() instead of handed up through every caller.
#pragma once

#include <exception>
#include <string>
#include <utility>
#include <vector>

namespace postern::cli {

enum class Exit : int { ok = 0, refused = 1, usage = 2, unreachable = 3, not_allowed = 4, gate_failed = 5 };

inline constexpr const char* exit_codes_help =
    "Exit codes: 0 done; 1 the gate refused; 2 wrong use of this command; 3 posternd cannot be reached;\n"
    "4 not authenticated or not allowed; 5 the gate failed (store, maps); what it says tells if something may be open.";

struct PlacedFault {
  std::string message;
  std::string target;  // place in the request, may be empty
};

class Failure : public std::exception {
 public:
  Failure(Exit code_of_exit, std::string sentence, std::vector<PlacedFault> places = {}, std::string advice = {})
      : exit(code_of_exit), message(std::move(sentence)), faults(std::move(places)), hint(std::move(advice)) {}
  const char* what() const noexcept override { return message.c_str(); }

  Exit exit;
  std::string message;
  std::vector<PlacedFault> faults;
  std::string hint;  // may be empty
  std::string code;  // the daemon's error code, empty if it did not answer
};

}  // namespace postern::cli
