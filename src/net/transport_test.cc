#include "net/transport.h"

#include <gtest/gtest.h>

#include <string>

#include "io/manual_loop.h"
#include "io/pipe.h"
#include "net/test_support.h"

namespace weft::net {
namespace {

constexpr size_t kWire = 16 * 1024;

class TransportTest : public testing::Test {
 protected:
  TransportTest()
      : wake_(loop_),
        pair_(io::make_pipe(loop_, {.capacity = kWire})),
        peer_(loop_, std::move(pair_.second)) {}

  io::ManualLoop loop_{1};
  io::Event wake_;
  io::StreamPair pair_;
  RawPeer peer_;
};

// A writer that is told of room while the kernel takes nothing would flush, be told again, and so on: the
// loop would not come to the event that alone can end it.
TEST_F(TransportTest, does_not_tell_a_writer_of_room_while_the_stream_is_blocked) {
  int told = 0;
  Transport* self = nullptr;
  Transport transport(std::move(pair_.first), wake_, [&] {
    if (++told < 100) self->flush_soon();
  });
  self = &transport;
  transport.output().append(std::string(kWire + 1000, 'x'));
  EXPECT_FALSE(transport.flush());
  loop_.run_until_idle();
  EXPECT_EQ(told, 0);
  EXPECT_EQ(transport.output().size(), 1000U);

  EXPECT_EQ(peer_.take().size(), kWire);
  transport.flush_if_blocked();
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(transport.output().empty());
  EXPECT_EQ(peer_.take().size(), 1000U);
}

TEST_F(TransportTest, tells_a_writer_that_its_stream_is_gone) {
  int told = 0;
  Transport transport(std::move(pair_.first), wake_, [&] { ++told; });
  transport.output().append(std::string(kWire + 1000, 'x'));
  EXPECT_FALSE(transport.flush());
  EXPECT_EQ(told, 0);
  peer_.vanish();
  transport.flush_if_blocked();
  EXPECT_TRUE(transport.write_failed());
  EXPECT_EQ(told, 1);
}

}  // namespace
}  // namespace weft::net
