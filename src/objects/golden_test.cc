// Every file of test/golden/objects/*.yaml beside the text that loading it gives: what was read, and the
// complaints. WEFT_UPDATE_GOLDEN=1 writes the texts anew, to be looked at before they are committed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "objects/load.h"

namespace weft::objects {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::string summary(const Loaded& loaded) {
  std::string out;
  for (const Object& object : loaded.objects) out += "read " + key_of(object).to_string() + "\n";
  for (const Complaint& complaint : loaded.complaints) out += complaint.to_string() + "\n";
  return out;
}

TEST(Golden, complaints_are_as_written_down) {
  const fs::path folder = fs::path(WEFT_SOURCE_DIR) / "test/golden/objects";
  const bool update = std::getenv("WEFT_UPDATE_GOLDEN") != nullptr;
  std::vector<fs::path> inputs;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string extension = entry.path().extension();
    if (extension == ".yaml" || extension == ".json") inputs.push_back(entry.path());
  }
  std::sort(inputs.begin(), inputs.end());
  ASSERT_FALSE(inputs.empty());
  for (const fs::path& input : inputs) {
    const std::string got = summary(load_text(read_file(input), input.filename().string()));
    fs::path expected = input;
    expected.replace_extension(".txt");
    if (update) {
      std::ofstream(expected) << got;
    } else {
      EXPECT_EQ(got, read_file(expected)) << input;
    }
  }
}

}  // namespace
}  // namespace weft::objects
