// SPDX-License-Identifier: Apache-2.0
// Every option once: key, kind, default, bounds, help and how its value is read. The table makes the flags, reads the
// file (JSON with comments) and prints both; a flag goes before the file. All faults are found at once.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "controlplane/core/result.hpp"
#include "controlplane/daemon/config.hpp"

namespace postern::daemon {

using Json = nlohmann::ordered_json;

enum class Kind { text, list, object };

struct Option {
  std::string_view key;  // in the file; the flag is --key with '-' for '_'
  Kind kind;
  std::string_view fallback;  // the default: text as it is, else JSON
  std::string_view bounds;    // what values there are, for people
  std::string_view help;
  // Reads a value of the right kind into the config, or says what is wrong with it.
  core::Result<void> (*read)(const Json& value, Config& config);
};

const std::vector<Option>& option_table();

// What was given: options by key, each with the place it came from ("posternd.json: listen", "--listen").
struct Given {
  struct Value {
    Json value;
    std::string place;
  };
  std::map<std::string, Value, std::less<>> values;
  std::vector<core::Fault> faults;
};

void read_file(const std::string& path, bool required, Given& given);
void read_flag(const Option& option, const std::vector<std::string>& words, Given& given);

// The configuration, or an error with every fault and its place.
core::Result<Config> make_config(const Given& given);

// The file that would say the same, with each option's help as a comment.
std::string printed(const Given& given);
std::string flag_of(const Option& option);

}  // namespace postern::daemon
