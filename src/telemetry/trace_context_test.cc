#include "telemetry/trace_context.h"

#include <gtest/gtest.h>

#include <set>

namespace weft::telemetry {
namespace {

using Sampled = TraceContext::Sampled;

constexpr std::string_view kParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

TEST(TraceContext, reads_traceparent) {
  const auto context = TraceContext::parse_traceparent(kParent);
  ASSERT_TRUE(context);
  EXPECT_EQ(context->trace_id(), "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(context->span_id(), "b7ad6b7169203331");
  EXPECT_EQ(context->sampled, Sampled::yes);
  EXPECT_EQ(context->traceparent(), kParent);
}

TEST(TraceContext, treats_a_bad_traceparent_as_absent) {
  for (const auto* bad : {
           "",
           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
           "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
           "00-00000000000000000000000000000000-b7ad6b7169203331-01",
           "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
           "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-extra",
           "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x",
           "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
           "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.x",
       }) {
    EXPECT_FALSE(TraceContext::parse_traceparent(bad)) << bad;
  }
  EXPECT_TRUE(
      TraceContext::parse_traceparent("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later"));
}

TEST(TraceContext, reads_b3) {
  const auto full =
      TraceContext::parse_b3("80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90");
  ASSERT_TRUE(full);
  EXPECT_EQ(full->parent, 0x05e3ac9a4f6e3b90u);
  EXPECT_TRUE(full->is_sampled());
  EXPECT_EQ(full->b3(), "80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3ac9a4f6e3b90");
  EXPECT_EQ(TraceContext::parse_b3("64fe8b2a57d3eff7-e457b5a2e4d86bd1")->trace_high, 0u);
  EXPECT_EQ(TraceContext::parse_b3("64fe8b2a57d3eff7-e457b5a2e4d86bd1-d")->sampled, Sampled::debug);
  for (const auto* bad : {"0", "", "-", "64fe8b2a57d3eff7", "64fe8b2a57d3eff7-e457b5a2e4d86bd1-x",
                          "64fe8b2a57d3eff-e457b5a2e4d86bd1", "64fe8b2a57d3eff7-e457b5a2e4d86bd1-1-05e3-1",
                          "0000000000000000-e457b5a2e4d86bd1"}) {
    EXPECT_FALSE(TraceContext::parse_b3(bad)) << bad;
  }
}

TEST(TraceContext, prefers_w3c_and_answers_in_the_forms_that_came) {
  http::Headers headers;
  headers.add("X-B3-TraceId", "80f198ee56343ba864fe8b2a57d3eff7");
  headers.add("X-B3-SpanId", "e457b5a2e4d86bd1");
  headers.add("X-B3-Sampled", "0");
  const auto multi = TraceContext::read(headers);
  ASSERT_TRUE(multi);
  EXPECT_EQ(multi->sampled, Sampled::no);
  headers.add("traceparent", kParent);
  const auto both = TraceContext::read(headers);
  ASSERT_TRUE(both);
  EXPECT_EQ(both->trace_id(), "0af7651916cd43dd8448eb211c80319c");

  Random random(1);
  const auto child = both->child(random);
  child.write(headers);
  EXPECT_EQ(headers.get("traceparent"), child.traceparent());
  EXPECT_EQ(headers.get("x-b3-spanid"), child.span_id());
  EXPECT_EQ(headers.get("x-b3-parentspanid"), "b7ad6b7169203331");
  EXPECT_EQ(headers.get("x-b3-sampled"), "1");
  EXPECT_FALSE(headers.has("b3"));
  EXPECT_EQ(child.trace_id(), both->trace_id());
  EXPECT_NE(child.span, both->span);
}

TEST(TraceContext, a_traceparent_that_comes_twice_does_not_count) {
  http::Headers headers;
  headers.add("traceparent", kParent);
  headers.add("traceparent", kParent);
  EXPECT_FALSE(TraceContext::read(headers));
}

TEST(TraceContext, starts_in_w3c_form) {
  Random random(1);
  http::Headers headers;
  const auto context = TraceContext::start(random, Sampled::yes);
  context.write(headers);
  ASSERT_EQ(headers.size(), 1u);
  const auto read = TraceContext::read(headers);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->trace_low, context.trace_low);
  EXPECT_TRUE(read->is_sampled());
}

TEST(RequestId, is_a_random_uuid) {
  Random random(1);
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) {
    const auto id = make_request_id(random);
    EXPECT_TRUE(is_uuid(id)) << id;
    EXPECT_EQ(id[14], '4');
    EXPECT_TRUE(std::string_view("89ab").contains(id[19])) << id;
    ids.insert(id);
  }
  EXPECT_EQ(ids.size(), 1000u);
  EXPECT_FALSE(is_uuid("6d1b0f5c-1111-4222-8333-44445555666"));
  EXPECT_FALSE(is_uuid("6d1b0f5c11111-4222-8333-444455556666"));
  EXPECT_FALSE(is_uuid("6d1b0f5c-1111-4222-8333-44445555666g"));
}

}  // namespace
}  // namespace weft::telemetry
