// SPDX-License-Identifier: Apache-2.0
#include "tests/model/shrink.hpp"

namespace postern::model {
namespace {

bool drop_steps(Story& story, const std::function<bool(const Story&)>& fails) {
  bool any = false;
  for (std::size_t size = std::max<std::size_t>(story.size() / 2, 1); size > 0; size /= 2) {
    for (std::size_t from = 0; from < story.size();) {
      Story fewer = story;
      const auto first = fewer.begin() + static_cast<std::ptrdiff_t>(from);
      fewer.erase(first, first + static_cast<std::ptrdiff_t>(std::min(size, story.size() - from)));
      if (fails(fewer)) {
        story = std::move(fewer);
        any = true;
      } else {
        from += size;
      }
    }
  }
  return any;
}

bool shorten_bytes(Story& story, const std::function<bool(const Story&)>& fails) {
  bool any = false;
  const auto attempt = [&](std::size_t i, Bytes Step::*part, Bytes bytes) {
    Story simpler = story;
    simpler[i].*part = std::move(bytes);
    if (!fails(simpler)) return false;
    story = std::move(simpler);
    return any = true;
  };
  for (std::size_t i = 0; i < story.size(); ++i) {
    if (story[i].is_packet()) {
      for (std::size_t cut = story[i].frame.size() / 2; cut > 0; cut /= 2) {
        while (story[i].frame.size() >= 14 + cut) {
          Bytes shorter = story[i].frame;
          shorter.resize(shorter.size() - cut);
          if (!attempt(i, &Step::frame, shorter)) break;
        }
      }
    }
    const auto part = story[i].is_packet() ? &Step::frame : &Step::value;
    for (std::size_t at = 0; at < (story[i].*part).size(); ++at) {
      if ((story[i].*part)[at] == 0) continue;
      Bytes zeroed = story[i].*part;
      zeroed[at] = 0;
      attempt(i, part, zeroed);
    }
  }
  return any;
}

}  // namespace

Story shrink(Story story, const std::function<bool(const Story&)>& fails) {
  while (drop_steps(story, fails) || shorten_bytes(story, fails)) {
  }
  return story;
}

}  // namespace postern::model
