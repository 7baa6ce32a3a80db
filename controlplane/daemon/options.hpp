// SPDX-License-Identifier: Apache-2.0
// Every option once: key, kind, default, bounds, help, how its value is read and whether a reload takes it over. The table
// makes the flags, reads the file (JSON with comments), prints both and docs/configuration.md; a flag goes before the
// file. All faults are found at once.
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

enum class Kind { text, number, list, object };

// What a reload (SIGHUP) does with a value that changed. The audit names every option that was taken over; of one that is
// `told` it has the values too, which is not for secrets.
enum class Reload { needs_restart, taken, taken_and_told };

struct Option {
  std::string_view key;  // in the file; the flag is --key with '-' for '_'
  Kind kind;
  std::string_view fallback;  // the default: text as it is, else JSON
  std::string_view bounds;    // what values there are, for people
  std::string_view help;
  // Reads a value of the right kind into the config, or says what is wrong with it: faults of its parts, which have places
  // of their own ("[1]", ".alice"), or one sentence.
  core::Result<void> (*read)(const Json& value, Config& config);
  Reload reload = Reload::needs_restart;
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
  bool file_read = false;
};

void read_file(const std::string& path, bool required, Given& given);
void read_flag(const Option& option, const std::vector<std::string>& words, Given& given);

// The configuration, or an error with every fault and its place.
core::Result<Config> make_config(const Given& given);

Json value_of(const Option& option, const Given& given);       // given, or the default
std::string place_of(std::string_view key, const Given& given);  // where it was given; else the key

// The file that would say the same, with each option's help as a comment.
std::string printed(const Given& given);
std::string configuration_page();  // docs/configuration.md
std::string flag_of(const Option& option);

}  // namespace postern::daemon
