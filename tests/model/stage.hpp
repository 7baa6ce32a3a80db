// SPDX-License-Identifier: Apache-2.0
// Where stories are told twice: to the programs in the kernel and to the model; and where what both say is compared.
#pragma once

#include <memory>
#include <string>

#include "tests/model/model.hpp"
#include "tests/model/story.hpp"

namespace postern::model {

struct Outcome {
  std::string difference{};  // empty: none
  std::uint64_t packets = 0;
  bool too_slow = false;  // the machine stood still for so long that idle times are not what the story says
};

class Kernel;

class Stage {
 public:
  Stage();
  ~Stage();
  // Verdicts are compared with each packet; tables, counters and tallies after every so many steps and at the end.
  Outcome tell(const Story& story, std::size_t compare_every);
  // How often each reason was seen, by the model's count, which is the programs'.
  const std::map<int, std::uint64_t>& reasons() const { return reasons_; }

 private:
  std::unique_ptr<Kernel> kernel_;
  std::map<int, std::uint64_t> reasons_;
};

}  // namespace postern::model
