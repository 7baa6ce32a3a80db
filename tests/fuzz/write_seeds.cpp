// SPDX-License-Identifier: Apache-2.0
// Writes the frames of the packet tests into a folder, one a file: the fuzzer's seeds.
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/support/frame_stacks.hpp"

int main(int argc, char** argv) {
  if (argc != 2) return std::fprintf(stderr, "usage: write_seeds FOLDER\n"), 2;
  const std::filesystem::path folder = argv[1];
  std::filesystem::create_directories(folder);
  int number = 0;
  for (const auto& stack : postern::test::frame_stacks()) {
    const auto bytes = stack.packet.bytes();
    std::ofstream file{folder / ("frame-" + std::to_string(number++)), std::ios::binary};
    for (const auto byte : bytes) file.put(static_cast<char>(byte));
    if (!file.flush()) return std::fprintf(stderr, "write_seeds: cannot write into %s\n", argv[1]), 1;
  }
  return 0;
}
