// SPDX-License-Identifier: Apache-2.0
// One frame of each shape the parser tells apart, and the kind it is when whole: cut to every length by the parser's
// test, seeds of the fuzzer.
#pragma once

#include <vector>

#include "tests/support/native_parser.h"
#include "tests/support/packet.hpp"

namespace postern::test {

struct FrameStack {
  const char* name;
  Packet packet;
  native_kind whole;
};

std::vector<FrameStack> frame_stacks();

}  // namespace postern::test
