// SPDX-License-Identifier: Apache-2.0
#include "tests/model/story.hpp"

#include <sstream>

namespace postern::model {
namespace {

constexpr const char* verbs[] = {"put", "erase", "in", "explain", "out", "age"};

std::string hex(const Bytes& bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const std::uint8_t byte : bytes) {
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
  return out;
}

Bytes from_hex(const std::string& text) {
  Bytes out;
  if (text.size() % 2 != 0) throw std::invalid_argument("half a byte: " + text);
  for (std::size_t i = 0; i < text.size(); i += 2)
    out.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
  return out;
}

int map_called(const std::string& name) {
  int index = 0;
#define POSTERN_MODEL_CALLED(map, key, value) \
  if (name == #map) return index;             \
  ++index;
  GATE_MAPS(POSTERN_MODEL_CALLED)
#undef POSTERN_MODEL_CALLED
  throw std::invalid_argument("no such map: " + name);
}

}  // namespace

const char* map_name(int map) {
  static constexpr const char* names[] = {
#define POSTERN_MODEL_NAME(name, key, value) #name,
      GATE_MAPS(POSTERN_MODEL_NAME)
#undef POSTERN_MODEL_NAME
  };
  return names[map];
}

std::string to_text(const Story& story) {
  std::string out;
  for (const Step& step : story) {
    out += verbs[step.verb];
    if (step.verb == Step::put || step.verb == Step::erase)
      out += std::string{" "} + map_name(step.map) + " " + hex(step.key);
    if (step.verb == Step::put) out += " " + hex(step.value);
    if (step.verb >= Step::explain) out += " " + std::to_string(step.number);
    if (step.verb == Step::out) out += step.sent_back ? " 1" : " 0";
    if (step.is_packet()) out += " " + hex(step.frame);
    out += "\n";
  }
  return out;
}

Story story_from(const std::string& text) {
  Story story;
  std::istringstream lines{text};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words{line};
    std::string verb, map, key, value, frame;
    if (!(words >> verb) || verb[0] == '#') continue;
    Step step;
    const auto* const known = std::find(std::begin(verbs), std::end(verbs), verb);
    if (known == std::end(verbs)) throw std::invalid_argument("no such step: " + line);
    step.verb = static_cast<Step::Verb>(known - std::begin(verbs));
    if (step.verb == Step::put || step.verb == Step::erase) {
      words >> map >> key >> value;
      step.map = map_called(map);
      step.key = from_hex(key);
      step.value = from_hex(value);
    }
    if (step.verb >= Step::explain) words >> step.number;
    if (step.verb == Step::out) words >> step.sent_back;
    if (step.is_packet()) words >> frame;
    if (!words && !words.eof()) throw std::invalid_argument("a step that lacks a word: " + line);
    step.frame = from_hex(frame);
    story.push_back(std::move(step));
  }
  return story;
}

}  // namespace postern::model
