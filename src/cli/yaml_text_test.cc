#include "cli/yaml_text.h"

#include <gtest/gtest.h>

namespace weft::cli {
namespace {

TEST(YamlText, reads_as_kubectl_prints) {
  EXPECT_EQ(json_to_yaml(R"({"kind":"PodList","items":[{"name":"web","ready":true,"containers":[{"pid":7}]},)"
                         R"({"name":"api","containers":[]}],"labels":{"a":"b"},"none":{},"nothing":null})"),
            "kind: PodList\n"
            "items:\n"
            "- name: web\n"
            "  ready: true\n"
            "  containers:\n"
            "  - pid: 7\n"
            "- name: api\n"
            "  containers: []\n"
            "labels:\n"
            "  a: b\n"
            "none: {}\n"
            "nothing: null\n");
}

TEST(YamlText, text_stays_text) {
  EXPECT_EQ(
      json_to_yaml(
          R"({"a":"true","b":"80","c":"","d":"80/TCP","e":"x: y","f":"10.0.0.1","g":"-","h":"a\"b"})"),
      "a: \"true\"\nb: \"80\"\nc: \"\"\nd: 80/TCP\ne: \"x: y\"\nf: 10.0.0.1\ng: \"-\"\nh: \"a\\\"b\"\n");
}

}  // namespace
}  // namespace weft::cli
