// SPDX-License-Identifier: Apache-2.0
#include "controlplane/daemon/options.hpp"

#include "controlplane/daemon/identity_options.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

namespace postern::daemon {
namespace {

const Option* find_option(std::string_view key) {
  for (const Option& option : option_table())
    if (option.key == key) return &option;
  return nullptr;
}

Json fallback_of(const Option& option) {
  return option.kind == Kind::text ? Json(std::string(option.fallback)) : Json::parse(option.fallback);
}

void add_faults(const core::Error& error, const std::string& place, std::vector<core::Fault>& faults) {
  if (error.faults.empty()) faults.push_back({error.message, place});
  for (const core::Fault& fault : error.faults) faults.push_back({fault.message, place + fault.target});
}

// A wrong kind as a sentence; empty: it is right.
std::string kind_fault(const Option& option, const Json& value) {
  switch (option.kind) {
    case Kind::text:
      return value.is_string() ? "" : "Must be a string, not " + value.dump() + ".";
    case Kind::number:
      return value.is_number_unsigned() ? "" : "Must be a whole number, not " + value.dump() + ".";
    case Kind::object:
      // Not quoted: it may hold secrets, and faults are logged, recorded and shown in the status.
      return value.is_object() ? "" : "Must be an object, not of the kind " + std::string(value.type_name()) + ".";
    case Kind::list:
      if (!value.is_array()) return "Must be an array of strings, not " + value.dump() + ".";
      for (const Json& element : value)
        if (!element.is_string()) return "Must hold strings only, not " + element.dump() + ".";
      return "";
  }
  return "";
}

// JSON as the library parses it keeps the last of two equal keys; somebody would wonder why the first has no effect.
Json parse_refusing_doubles(const std::string& text, const std::string& path, std::vector<core::Fault>& faults) {
  std::vector<std::set<std::string>> keys;
  const auto watch = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second)
      faults.push_back({"'" + parsed.get<std::string>() + "' stands there twice.", path});
    return true;
  };
  return Json::parse(text, watch, true, true);
}

}  // namespace

void read_file(const std::string& path, bool required, Given& given) {
  // A pipe that nobody writes to would hold us for ever.
  std::error_code ignored;
  if (std::filesystem::is_fifo(path, ignored) || std::filesystem::is_socket(path, ignored)) {
    given.faults.push_back({"Cannot be read: is no regular file.", path});
    return;
  }
  std::ifstream file(path);
  if (!file) {
    if (required || errno != ENOENT)
      given.faults.push_back({std::string("Cannot be read: ") + std::strerror(errno) + ".", path});
    return;
  }
  std::ostringstream text;
  text << file.rdbuf();
  if (file.bad() || text.fail()) {
    given.faults.push_back({"Cannot be read (is it a file?).", path});
    return;
  }
  given.file_read = true;
  try {
    const Json json = parse_refusing_doubles(text.str(), path, given.faults);
    if (!json.is_object()) {
      given.faults.push_back({"Must hold one JSON object.", path});
      return;
    }
    for (const auto& [key, value] : json.items()) {
      if (find_option(key)) {
        given.values.insert({key, {value, path + ": " + key}});
      } else {
        given.faults.push_back({"There is no such option.", path + ": " + key});
      }
    }
  } catch (const Json::exception& error) {
    std::string_view what = error.what();
    if (const auto end = what.find("] "); end != std::string_view::npos) what.remove_prefix(end + 2);
    what = what.substr(0, what.find("; last read: "));  // what stands there may be a secret
    given.faults.push_back({"Is not valid JSON: " + std::string(what) + ".", path});
  }
}

void read_flag(const Option& option, const std::vector<std::string>& words, Given& given) {
  const std::string place = flag_of(option);
  Json value;
  if (option.kind == Kind::text) {
    value = words.back();
  } else if (option.kind == Kind::list) {
    value = Json::array();
    for (const std::string& word : words)
      if (!word.empty()) value.push_back(word);
  } else {
    value = Json::parse(words.back(), nullptr, false);
    if (value.is_discarded()) {
      given.faults.push_back({"Is not JSON.", place});
      return;
    }
  }
  given.values.insert_or_assign(std::string(option.key), Given::Value{std::move(value), place});
}

core::Result<Config> make_config(const Given& given) {
  Config config;
  std::vector<core::Fault> faults = given.faults;
  for (const Option& option : option_table()) {
    const Json value = value_of(option, given);
    const std::string place = place_of(option.key, given);
    if (std::string fault = kind_fault(option, value); !fault.empty()) {
      faults.push_back({std::move(fault), place});
    } else if (const auto read = option.read(value, config); !read) {
      add_faults(read.error(), place, faults);
    }
  }
  config.settings.users = configured_users(config);
  if (faults.empty()) return config;
  return core::Error{core::ErrorCode::invalid_input, "The configuration is not valid.", "", std::move(faults)};
}

Json value_of(const Option& option, const Given& given) {
  const auto found = given.values.find(option.key);
  return found == given.values.end() ? fallback_of(option) : found->second.value;
}

std::string place_of(std::string_view key, const Given& given) {
  const auto found = given.values.find(key);
  return found == given.values.end() ? std::string(key) : found->second.place;
}

std::string printed(const Given& given) {
  std::string text = "{\n";
  for (const Option& option : option_table()) {
    const Json value = value_of(option, given);
    const bool last = &option == &option_table().back();
    text += "  // " + std::string(option.help) + " (" + std::string(option.bounds) + ")\n";
    text += "  \"" + std::string(option.key) + "\": " + value.dump() + (last ? "\n" : ",\n");
  }
  return text + "}\n";
}

std::string flag_of(const Option& option) {
  std::string flag = "--" + std::string(option.key);
  std::replace(flag.begin(), flag.end(), '_', '-');
  return flag;
}

}  // namespace postern::daemon
