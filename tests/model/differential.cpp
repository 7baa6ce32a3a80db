// SPDX-License-Identifier: Apache-2.0
// The programs and the model are told the same random stories, and must agree: on each verdict, each reason, each
// tally, each entry of the flow tables. As root; nothing is attached, maps are private.
//
//     differential                       20 seconds with a random seed (printed)
//     differential --packets N --seed S  as many packets; with a seed the same stories come again
//     differential --story FILE…         kept stories
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <sstream>

#include "tests/model/generate.hpp"
#include "tests/model/shrink.hpp"
#include "tests/model/stage.hpp"

using namespace postern::model;

namespace {

using Watch = std::chrono::steady_clock;

double since(Watch::time_point start) {
  return std::chrono::duration<double>(Watch::now() - start).count();
}

int usage() {
  std::fputs("usage: differential [--packets N | --seconds N] [--seed S] | --story FILE...\n", stderr);
  return 2;
}

// Told again step by step; a machine that stood still is given another chance.
std::string difference_in(Stage& stage, const Story& story, std::size_t compare_every) {
  for (int attempt = 0;; ++attempt) {
    const Outcome outcome = stage.tell(story, compare_every);
    if (!outcome.too_slow || attempt == 9) return outcome.difference;
  }
}

int report(Stage& stage, const Story& story, const std::string& first) {
  std::printf("\nDIFFERENCE %s\nshrinking a story of %zu steps\n", first.c_str(), story.size());
  std::fflush(stdout);
  const Story least = shrink(story, [&](const Story& shorter) { return !difference_in(stage, shorter, 1).empty(); });
  std::printf("\n# %s\n%s\nKept as tests/model/stories/NAME.story this is a test.\n",
              difference_in(stage, least, 1).c_str(), to_text(least).c_str());
  return 1;
}

int tell_files(Stage& stage, int count, char** names) {
  int status = 0;
  for (int i = 0; i < count; ++i) {
    std::ifstream file{names[i]};
    std::stringstream text;
    text << file.rdbuf();
    if (!file) return std::fprintf(stderr, "differential: cannot read %s\n", names[i]), 2;
    const std::string difference = difference_in(stage, story_from(text.str()), 1);
    std::printf("%s: %s\n", names[i], difference.empty() ? "agreed" : difference.c_str());
    if (!difference.empty()) status = 1;
  }
  return status;
}

// The rarest reason, machine_opened, is met by one packet in a thousand.
constexpr std::uint64_t packets_to_reach_all = 500'000;

// A comparison of stories that never come to a verdict would not miss it.
bool reached_all(const Stage& stage) {
  bool all = true;
#define POSTERN_REACHED(name, number, verdict, text)                                            \
  if ((number) != gate_reason_undecided && !stage.reasons().contains(number)) {                 \
    std::printf("no packet came to the verdict %s: the stories lack something\n", #name); \
    all = false;                                                                                \
  }
  GATE_REASONS(POSTERN_REACHED)
#undef POSTERN_REACHED
  return all;
}

int tell_random(Stage& stage, std::uint64_t seed, std::uint64_t packets_max, double seconds_max) {
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  const auto start = Watch::now();
  auto told = start;
  std::uint64_t packets = 0, stories = 0;
  for (; packets < packets_max && since(start) < seconds_max; ++stories) {
    const Story story = generate(seed + stories);
    const Outcome outcome = stage.tell(story, 100);
    packets += outcome.packets;
    if (!outcome.difference.empty()) {
      const std::string again = difference_in(stage, story, 1);
      if (!again.empty() || !outcome.too_slow) {
        std::printf("story of seed %llu, after %llu packets\n", static_cast<unsigned long long>(seed + stories),
                    static_cast<unsigned long long>(packets));
        return report(stage, story, again.empty() ? outcome.difference : again);
      }
    }
    if (since(told) > 60) {
      told = Watch::now();
      std::printf("%llu packets, %.0f a second\n", static_cast<unsigned long long>(packets),
                  static_cast<double>(packets) / since(start));
      std::fflush(stdout);
    }
  }
  std::printf("%llu packets in %llu stories, %.0f s, %.0f a second, no difference\n",
              static_cast<unsigned long long>(packets), static_cast<unsigned long long>(stories), since(start),
              static_cast<double>(packets) / since(start));
  for (const auto& [reason, count] : stage.reasons())
    if (count > 0) std::printf("  %-22s %llu\n", name_of(reason).c_str(), static_cast<unsigned long long>(count));
  if (packets < packets_to_reach_all)
    return std::printf("too few to ask whether every verdict was reached\n"), 0;
  return reached_all(stage) ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (geteuid() != 0) {
    std::fputs("skipped: BPF_PROG_TEST_RUN needs root\n", stderr);
    const char* ci = std::getenv("CI");
    return ci && std::string{ci} == "true" ? 1 : 77;
  }
  std::uint64_t seed = std::random_device{}() | std::uint64_t{std::random_device{}()} << 32, packets = ~0ULL;
  double seconds = 20;
  try {
    Stage stage;
    for (int i = 1; i < argc; i += 2) {
      const std::string option = argv[i];
      if (option == "--story") return tell_files(stage, argc - i - 1, argv + i + 1);
      if (i + 1 == argc) return usage();
      if (option == "--seed") {
        seed = std::strtoull(argv[i + 1], nullptr, 0);
      } else if (option == "--packets") {
        packets = std::strtoull(argv[i + 1], nullptr, 0);
        seconds = 1e18;
      } else if (option == "--seconds") {
        seconds = std::strtod(argv[i + 1], nullptr);
      } else {
        return usage();
      }
    }
    return tell_random(stage, seed, packets, seconds);
  } catch (const std::exception& error) {
    return std::fprintf(stderr, "differential: %s\n", error.what()), 2;
  }
}
