#include "proxy/relay.h"

#include <algorithm>

namespace weft::proxy {

void GrpcMessageCount::pass(Bytes body) {
  while (!body.empty()) {
    if (left_ > 0) {
      const auto count = static_cast<size_t>(std::min<uint64_t>(left_, body.size()));
      left_ -= count;
      body = body.subspan(count);
      continue;
    }
    prefix_[prefix_size_++] = static_cast<uint8_t>(body[0]);
    body = body.subspan(1);
    if (prefix_size_ < sizeof prefix_) continue;
    prefix_size_ = 0;
    ++messages_;
    left_ = uint64_t{prefix_[1]} << 24 | uint64_t{prefix_[2]} << 16 | uint64_t{prefix_[3]} << 8 | prefix_[4];
  }
}

void BodyPump::restart(net::Exchange& to) {
  to_ = &to;
  replayed_ = 0;
  replaying_ = !replay_.empty();
  state_ = State::running;
}

BodyPump::State BodyPump::pump() {
  if (state_ != State::running) return state_;
  while (replaying_) {
    const Bytes left = replay_.bytes().subspan(replayed_);
    const size_t taken = to_->write(left);
    replayed_ += taken;
    if (replayed_ == replay_.size()) replaying_ = false;
    if (taken < left.size()) return state_;
  }
  if (source_ended_) {  // the whole message was kept, and is now sent again
    to_->finish(trailers_);
    return state_ = State::done;
  }
  for (;;) {
    switch (from_->poll()) {
      case net::Incoming::blocked:
      case net::Incoming::head:
        return state_;
      case net::Incoming::data: {
        const Bytes data = from_->data();
        const size_t taken = to_->write(data);
        if (taken == 0) return state_;
        if (replay_limit_ > 0 && !replay_overflow_) {
          if (replay_.size() + taken <= replay_limit_) {
            replay_.append(data.first(taken));
          } else {
            replay_overflow_ = true;
            replay_.release();
          }
        }
        if (grpc_) grpc_->pass(data.first(taken));
        bytes_ += taken;
        from_->consume(taken);
        if (taken < data.size()) return state_;
        break;
      }
      case net::Incoming::trailers:
        trailers_ = &from_->trailers();
        source_ended_ = true;
        to_->finish(trailers_);
        return state_ = State::done;
      case net::Incoming::end:
        source_ended_ = true;
        to_->finish(nullptr);
        return state_ = State::done;
      case net::Incoming::failed:
        return state_ = State::from_failed;
    }
  }
}

}  // namespace weft::proxy
