// For tests: a World from YAML that must be without an error.
#pragma once

#include <gtest/gtest.h>

#include "translate/test_world.h"

namespace weft::translate {

inline std::shared_ptr<const World> valid_world(std::string_view yaml, const MeshOptions& options = {}) {
  for (const auto& complaint : objects::load_text(yaml, "in.yaml").complaints) {
    EXPECT_FALSE(complaint.is_error()) << complaint.to_string();
  }
  return world_from(yaml, options);
}

}  // namespace weft::translate
