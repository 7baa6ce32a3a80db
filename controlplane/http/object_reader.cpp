// SPDX-License-Identifier: Apache-2.0
#include "controlplane/http/object_reader.hpp"

#include "controlplane/core/text.hpp"

namespace postern::http {
namespace {

std::string shown(const Json& value) {
  std::string text = to_text(value);
  if (text.size() > 40) text = std::string(value.type_name()) + " of " + std::to_string(text.size()) + " bytes";
  return text;
}

}  // namespace

ObjectReader::ObjectReader(const Json& json, std::string place, Manner manner, std::vector<core::Fault>& faults)
    : place_(std::move(place)), manner_(manner), faults_(faults) {
  if (json.is_object()) {
    object_ = &json;
  } else {
    faults_.push_back({"Must be a JSON object, not " + shown(json) + ".", place_});
  }
}

const Json* ObjectReader::find(std::string_view name) {
  asked_.emplace(name);
  if (!object_) return nullptr;
  for (const auto& [key, value] : object_->items()) {
    const bool same = manner_ == Manner::strict ? key == name : core::same_folded(key, name);
    if (same) return value.is_null() ? nullptr : &value;
  }
  return nullptr;
}

std::optional<std::string> ObjectReader::text(std::string_view name) {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  fault(name, "Must be a string, not " + shown(*value) + ".");
  return std::nullopt;
}

std::optional<std::string> ObjectReader::number(std::string_view name) {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  if (value->is_number()) {
    std::string digits = value->dump();
    if (digits.ends_with(".0")) digits.resize(digits.size() - 2);
    return digits;
  }
  fault(name, "Must be a number, not " + shown(*value) + ".");
  return std::nullopt;
}

std::optional<std::vector<std::string>> ObjectReader::texts(std::string_view name) {
  const Json* value = find(name);
  if (!value) return std::nullopt;
  if (value->is_array()) return strings_of(*value, place_of(name), faults_);
  fault(name, "Must be an array of strings, not " + shown(*value) + ".");
  return std::nullopt;
}

std::vector<const Json*> ObjectReader::elements(std::string_view name) {
  std::vector<const Json*> found;
  const Json* value = find(name);
  if (!value) return found;
  if (!value->is_array()) {
    fault(name, "Must be an array, not " + shown(*value) + ".");
    return found;
  }
  for (const Json& element : *value) found.push_back(&element);
  return found;
}

std::string ObjectReader::place_of(std::string_view name) const {
  return place_.empty() ? std::string(name) : place_ + "." + std::string(name);
}

std::string ObjectReader::place_of(std::string_view name, std::size_t index) const {
  return place_of(name) + "[" + std::to_string(index) + "]";
}

void ObjectReader::fault(std::string_view name, std::string message) {
  faults_.push_back({std::move(message), place_of(name)});
}

void ObjectReader::refuse_unknown() {
  if (!object_) return;
  for (const auto& [key, value] : object_->items())
    if (!asked_.contains(key)) faults_.push_back({"'" + key + "' is not known here.", place_of(key)});
}

std::vector<std::string> strings_of(const Json& array, const std::string& place, std::vector<core::Fault>& faults) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < array.size(); ++i) {
    if (array[i].is_string()) {
      texts.push_back(array[i].get<std::string>());
    } else {
      faults.push_back({"Must be a string, not " + shown(array[i]) + ".", place + "[" + std::to_string(i) + "]"});
    }
  }
  return texts;
}

}  // namespace postern::http
