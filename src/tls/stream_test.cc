#include "tls/stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/epoll_loop.h"
#include "tls/test_support.h"

namespace weft::tls {
namespace {

using io::IoStatus;
using testing::Authority;
using ::testing::HasSubstr;
using testing::MaybeStream;

struct TlsTest : ::testing::Test {
  io::ManualLoop loop{1};
  Authority authority{loop.wall_now()};
  MaybeStream client = testing::not_yet();
  MaybeStream server = testing::not_yet();

  ServerSettings server_settings() {
    return {.identity = authority.workload("shop", "cart"),
            .trust = authority.bundle(),
            .client_certificate = ClientCertificate::required,
            .common = {.alpn = {"h2", "http/1.1"}}};
  }
  ClientSettings client_settings() {
    return {.identity = authority.workload("web", "front"),
            .trust = authority.bundle(),
            .server_name = "cart.shop.svc.cluster.local",
            .common = {.alpn = {"http/1.1", "h2"},
                       .peer_names = {{NameRule::Match::exact, "spiffe://cluster.local/ns/shop/sa/cart"}}}};
  }
  static auto make(ServerSettings settings) { return ServerContext::make(std::move(settings)).value(); }
  static auto make(ClientSettings settings) { return ClientContext::make(std::move(settings)).value(); }

  // Handshakes to their end, whatever it is.
  void shake(std::shared_ptr<const ServerContext> s, std::shared_ptr<const ClientContext> c,
             io::PipeOptions pipe = {}) {
    client = testing::not_yet();
    server = testing::not_yet();
    auto [near, far] = io::make_pipe(loop, std::move(pipe));
    io::TaskGroup tasks(loop);
    tasks.spawn(testing::accept_into(std::move(far), std::move(s), loop.now() + 10s, server));
    tasks.spawn(testing::connect_into(std::move(near), std::move(c), loop.now() + 10s, client));
    loop.run_until([&] { return tasks.empty(); }, 20s);
    ASSERT_TRUE(tasks.empty());
  }

  // What `from` writes, as `to` reads it.
  std::string carry(TlsStream& from, TlsStream& to, std::string_view text) {
    EXPECT_EQ(from.try_write(as_bytes(text)).count, text.size());
    loop.run_until_idle();
    std::string got(text.size() + 100, '\0');
    const auto r = to.try_read(std::as_writable_bytes(std::span(got)));
    got.resize(r.count);
    return got;
  }
  static IoStatus read_status(TlsStream& stream) {
    std::array<std::byte, 100> buffer;
    return stream.try_read(buffer).status;
  }
};

TEST_F(TlsTest, both_ends_learn_who_the_other_is) {
  shake(make(server_settings()), make(client_settings()));
  ASSERT_TRUE(client) << client.error().to_string();
  ASSERT_TRUE(server) << server.error().to_string();
  const Peer& of_client = (*client)->peer();
  const Peer& of_server = (*server)->peer();
  EXPECT_EQ(of_client.spiffe_id()->uri(), "spiffe://cluster.local/ns/shop/sa/cart");
  EXPECT_EQ(of_server.spiffe_id()->uri(), "spiffe://cluster.local/ns/web/sa/front");
  EXPECT_EQ(of_client.alpn, "h2");  // the server's preference
  EXPECT_EQ(of_server.alpn, "h2");
  EXPECT_EQ(of_server.server_name, "cart.shop.svc.cluster.local");
  EXPECT_EQ(of_server.version, "TLSv1.3");
  EXPECT_EQ(of_server.cipher, "TLS_AES_128_GCM_SHA256");
  EXPECT_FALSE(of_server.resumed);
  EXPECT_EQ(carry(**client, **server, "hello"), "hello");
  EXPECT_EQ(carry(**server, **client, "welcome"), "welcome");
}

TEST_F(TlsTest, tls_1_2_works_where_it_is_asked_for) {
  auto settings = client_settings();
  settings.common.max_version = Version::tls1_2;
  shake(make(server_settings()), make(std::move(settings)));
  ASSERT_TRUE(client && server);
  EXPECT_EQ((*server)->peer().version, "TLSv1.2");
  EXPECT_TRUE((*server)->peer().spiffe_id());
  EXPECT_EQ(carry(**client, **server, "hello"), "hello");
}

TEST_F(TlsTest, a_server_of_another_name_is_refused_by_name) {
  auto settings = client_settings();
  settings.common.peer_names = {{NameRule::Match::exact, "spiffe://cluster.local/ns/shop/sa/pay"}};
  shake(make(server_settings()), make(std::move(settings)));
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().kind, Error::Kind::denied);
  EXPECT_THAT(
      client.error().text,
      HasSubstr("certificate verify failed: peer is spiffe://cluster.local/ns/shop/sa/cart, expected one of "
                "spiffe://cluster.local/ns/shop/sa/pay"));
  ASSERT_FALSE(server);
  EXPECT_THAT(server.error().text, HasSubstr("refused our certificate"));
}

TEST_F(TlsTest, a_prefix_allows_a_whole_namespace) {
  auto settings = client_settings();
  settings.common.peer_names = {{NameRule::Match::prefix, "spiffe://cluster.local/ns/shop/"}};
  shake(make(server_settings()), make(std::move(settings)));
  EXPECT_TRUE(client);
}

TEST_F(TlsTest, an_untrusted_root_is_refused_on_either_side) {
  const Authority stranger{loop.wall_now()};
  auto c = client_settings();
  c.trust = stranger.bundle();
  shake(make(server_settings()), make(std::move(c)));
  ASSERT_FALSE(client);
  EXPECT_THAT(client.error().text, HasSubstr("leads to no trusted root"));

  auto s = server_settings();
  s.trust = stranger.bundle();
  shake(make(std::move(s)), make(client_settings()));
  ASSERT_FALSE(server);
  EXPECT_THAT(server.error().text, HasSubstr("leads to no trusted root"));
  // In TLS 1.3 the client hears of it with its first read.
  ASSERT_TRUE(client);
  EXPECT_EQ(read_status(**client), IoStatus::failed);
  EXPECT_THAT((*client)->error().text, HasSubstr("refused our certificate"));
}

TEST_F(TlsTest, an_expired_certificate_is_refused_by_the_loops_own_clock) {
  auto c = client_settings();
  c.identity = authority.workload("web", "front", 10s);
  const auto context = make(std::move(c));
  const auto server_context = make(server_settings());
  shake(server_context, context);
  EXPECT_TRUE(server);
  loop.advance(11s);
  shake(server_context, context);
  ASSERT_FALSE(server);
  EXPECT_THAT(server.error().text, HasSubstr("expired at"));
}

TEST_F(TlsTest, with_two_roots_both_generations_of_certificates_work) {
  const Authority next{loop.wall_now(), "next root"};
  const auto both = authority.bundle().joined_with(next.bundle());
  auto s = server_settings();
  s.trust = both;
  auto c = client_settings();
  c.trust = both;
  shake(make(s), make(c));
  EXPECT_TRUE(client && server);
  s.identity = next.workload("shop", "cart");
  shake(make(s), make(c));
  EXPECT_TRUE(client && server);
  c.identity = next.workload("web", "front");
  shake(make(s), make(c));
  EXPECT_TRUE(client && server);
  c.trust = next.bundle();  // the old root is gone at last
  s.trust = next.bundle();
  shake(make(s), make(c));
  EXPECT_TRUE(client && server);
}

TEST_F(TlsTest, a_client_without_certificate_is_refused_only_where_one_is_required) {
  auto c = client_settings();
  c.identity.reset();
  const auto context = make(std::move(c));
  auto s = server_settings();
  shake(make(s), context);
  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().kind, Error::Kind::denied);
  EXPECT_THAT(server.error().text, HasSubstr("client sent no certificate"));

  s.client_certificate = ClientCertificate::optional;
  shake(make(s), context);
  ASSERT_TRUE(server);
  EXPECT_FALSE((*server)->peer().spiffe_id());
  s.client_certificate = ClientCertificate::none;
  shake(make(s), make(client_settings()));
  ASSERT_TRUE(server);
  EXPECT_FALSE((*server)->peer().certificate);
}

TEST_F(TlsTest, where_client_names_are_demanded_others_are_refused) {
  auto s = server_settings();
  s.common.peer_names = {{NameRule::Match::exact, "spiffe://cluster.local/ns/web/sa/admin"}};
  shake(make(std::move(s)), make(client_settings()));
  ASSERT_FALSE(server);
  EXPECT_THAT(server.error().text,
              HasSubstr("peer is spiffe://cluster.local/ns/web/sa/front, expected one of "));
}

TEST_F(TlsTest, a_host_is_verified_by_its_dns_name) {
  auto s = server_settings();
  s.identity = authority.host({"shop.example.org", "*.shop.example.org"});
  s.client_certificate = ClientCertificate::none;
  const auto server_context = make(std::move(s));
  ClientSettings c{.trust = authority.bundle(), .verify = ClientSettings::Verify::host};
  for (const auto& [host, good] : {std::pair{"shop.example.org", true},
                                   {"SHOP.example.org", true},
                                   {"a.shop.example.org", true},
                                   {"a.b.shop.example.org", false},
                                   {"example.org", false}}) {
    c.server_name = host;
    shake(server_context, make(c));
    EXPECT_EQ(client.has_value(), good) << host;
  }
  EXPECT_THAT(client.error().text,
              HasSubstr("peer is shop.example.org, *.shop.example.org, expected the host example.org"));
}

TEST_F(TlsTest, who_verifies_nothing_believes_anybody_but_calls_nobody_proven) {
  ClientSettings c{.verify = ClientSettings::Verify::none};
  auto s = server_settings();
  s.client_certificate = ClientCertificate::none;
  shake(make(std::move(s)), make(std::move(c)));
  ASSERT_TRUE(client);
  EXPECT_TRUE((*client)->peer().certificate);
  EXPECT_FALSE((*client)->peer().spiffe_id());
}

// ---- resumption

TEST_F(TlsTest, a_session_is_resumed_with_its_identity_within_one_pair_of_contexts) {
  const auto s = make(server_settings());
  const auto c = make(client_settings());
  for (const bool resumed : {false, true, true}) {
    shake(s, c);
    ASSERT_TRUE(client && server);
    EXPECT_EQ(carry(**server, **client, "the ticket came before this"), "the ticket came before this");
    EXPECT_EQ((*client)->peer().resumed, resumed);
    EXPECT_EQ((*server)->peer().resumed, resumed);
    EXPECT_EQ((*server)->peer().spiffe_id()->service_account(), "front");
    EXPECT_EQ((*client)->peer().spiffe_id()->service_account(), "cart");
  }
}

TEST_F(TlsTest, resumption_ends_with_either_context) {
  const auto s = make(server_settings());
  const auto c = make(client_settings());
  const auto once = [&](const auto& sc, const auto& cc) {
    shake(sc, cc);
    EXPECT_TRUE(client && server);
    carry(**server, **client, "ticket");
    return (*server)->peer().resumed;
  };
  EXPECT_FALSE(once(s, c));
  EXPECT_TRUE(once(s, c));
  EXPECT_FALSE(once(make(server_settings()), c));  // new keys: the ticket says nothing there
  EXPECT_FALSE(once(s, make(client_settings())));
  EXPECT_FALSE(once(s, c->for_server({}, "other")));
}

TEST_F(TlsTest, a_ticket_does_not_outlive_the_clients_certificate) {
  auto settings = client_settings();
  settings.identity = authority.workload("web", "front", 60s);
  const auto s = make(server_settings());
  const auto c = make(std::move(settings));
  shake(s, c);
  ASSERT_TRUE(server);
  carry(**server, **client, "ticket");
  loop.advance(30s);
  shake(s, c);
  ASSERT_TRUE(server);
  EXPECT_TRUE((*server)->peer().resumed);
  carry(**server, **client, "ticket");
  loop.advance(31s);
  shake(s, c);
  EXPECT_FALSE(server);
}

TEST_F(TlsTest, a_ticket_does_not_outlive_the_servers_certificate) {
  auto settings = server_settings();
  settings.identity = authority.workload("shop", "cart", 60s);
  const auto s = make(std::move(settings));
  const auto c = make(client_settings());
  shake(s, c);
  ASSERT_TRUE(server);
  carry(**server, **client, "ticket");
  loop.advance(61s);
  shake(s, c);
  ASSERT_FALSE(client);
  EXPECT_THAT(client.error().text, HasSubstr("expired at"));
}

TEST_F(TlsTest, tickets_can_be_turned_off) {
  auto settings = server_settings();
  settings.common.session_tickets = false;
  const auto s = make(std::move(settings));
  const auto c = make(client_settings());
  for (int i = 0; i < 2; ++i) {
    shake(s, c);
    ASSERT_TRUE(server);
    carry(**server, **client, "no ticket");
    EXPECT_FALSE((*server)->peer().resumed);
  }
}

// ---- the ways of bytes

TEST_F(TlsTest, one_byte_at_a_time_is_enough) {
  shake(make(server_settings()), make(client_settings()), {.capacity = 1});
  ASSERT_TRUE(client) << client.error().to_string();
  ASSERT_TRUE(server) << server.error().to_string();
}

io::Task<void> send_much(TlsStream& stream, size_t size, bool& done) {
  std::string chunk(50000, '\0');
  for (size_t sent = 0; sent < size;) {
    for (size_t i = 0; i < chunk.size(); ++i) chunk[i] = static_cast<char>((sent + i) * 7 % 251);
    const size_t want = std::min(chunk.size(), size - sent);
    // Odd pieces, so that records are made of several.
    const std::array<Bytes, 3> pieces{
        as_bytes(chunk).first(want / 3), as_bytes(chunk).subspan(want / 3, want / 7),
        as_bytes(chunk).subspan(want / 3 + want / 7, want - want / 3 - want / 7)};
    const auto r = stream.try_write(pieces);
    if (r.status == IoStatus::blocked) {
      co_await stream.writable();
      continue;
    }
    if (r.status != IoStatus::ok) co_return;
    sent += r.count;
  }
  stream.shutdown_write();
  done = true;
}

io::Task<void> receive_much(TlsStream& stream, size_t& got, IoStatus& ended) {
  std::vector<std::byte> buffer(70000);
  for (;;) {
    const auto r = stream.try_read(std::span(buffer).first(1 + got % buffer.size()));
    if (r.status == IoStatus::blocked) {
      co_await stream.readable();
      continue;
    }
    if (r.status != IoStatus::ok) {
      ended = r.status;
      co_return;
    }
    for (size_t i = 0; i < r.count; ++i) {
      if (static_cast<char>(buffer[i]) != static_cast<char>((got + i) * 7 % 251)) co_return;
    }
    got += r.count;
  }
}

TEST_F(TlsTest, much_goes_both_ways_at_once_under_backpressure) {
  for (const size_t capacity : {size_t{1000}, size_t{20000}, size_t{1 << 20}}) {
    shake(make(server_settings()), make(client_settings()), {.capacity = capacity});
    ASSERT_TRUE(client && server);
    constexpr size_t kSize = 3'000'017;
    std::array<bool, 2> sent{};
    std::array<size_t, 2> got{};
    std::array<IoStatus, 2> ended{};
    io::TaskGroup tasks(loop);
    tasks.spawn(send_much(**client, kSize, sent[0]));
    tasks.spawn(send_much(**server, kSize, sent[1]));
    tasks.spawn(receive_much(**server, got[0], ended[0]));
    tasks.spawn(receive_much(**client, got[1], ended[1]));
    loop.run_until_idle();
    EXPECT_TRUE(tasks.empty());
    EXPECT_EQ(got[0], kSize) << capacity;
    EXPECT_EQ(got[1], kSize) << capacity;
    EXPECT_EQ(ended[0], IoStatus::eof);
    EXPECT_EQ(ended[1], IoStatus::eof);
  }
}

TEST_F(TlsTest, a_reader_who_does_not_read_stops_the_writer_at_a_bound) {
  shake(make(server_settings()), make(client_settings()), {.capacity = 10000});
  ASSERT_TRUE(client && server);
  const std::string chunk(1 << 20, 'x');
  size_t taken = 0;
  for (;;) {
    const auto r = (*client)->try_write(as_bytes(chunk));
    if (r.status != IoStatus::ok) {
      EXPECT_EQ(r.status, IoStatus::blocked);
      break;
    }
    taken += r.count;
  }
  EXPECT_LE(taken, 64u * 1024 + 10000 + 17000);
}

TEST_F(TlsTest, what_was_taken_arrives_though_the_stream_is_destroyed) {
  shake(make(server_settings()), make(client_settings()), {.capacity = 1000});
  ASSERT_TRUE(client && server);
  const std::string text(50000, 'w');
  ASSERT_EQ((*client)->try_write(as_bytes(text)).count, text.size());
  client->reset();
  size_t got = 0;
  IoStatus ended = IoStatus::blocked;
  io::TaskGroup tasks(loop);
  tasks.spawn([](TlsStream& stream, size_t& count, IoStatus& end) -> io::Task<void> {
    std::array<std::byte, 4096> buffer;
    for (;;) {
      const auto r = stream.try_read(buffer);
      if (r.status == IoStatus::blocked) {
        co_await stream.readable();
      } else if (r.status == IoStatus::ok) {
        count += r.count;
      } else {
        end = r.status;
        co_return;
      }
    }
  }(**server, got, ended));
  loop.run_until_idle();
  EXPECT_EQ(got, text.size());
  EXPECT_EQ(ended, IoStatus::eof);
}

// ---- ends

TEST_F(TlsTest, shutdown_write_is_eof_for_the_peer_who_may_still_answer) {
  shake(make(server_settings()), make(client_settings()));
  ASSERT_TRUE(client && server);
  (*client)->shutdown_write();
  EXPECT_EQ(read_status(**server), IoStatus::eof);
  EXPECT_EQ(carry(**server, **client, "still here"), "still here");
  EXPECT_EQ(read_status(**client), IoStatus::blocked);
}

TEST_F(TlsTest, abort_is_a_reset_for_the_peer) {
  shake(make(server_settings()), make(client_settings()));
  ASSERT_TRUE(client && server);
  (*client)->abort();
  EXPECT_EQ(read_status(**server), IoStatus::failed);
  EXPECT_EQ((*server)->error().kind, Error::Kind::reset);
  EXPECT_EQ(read_status(**client), IoStatus::failed);
  EXPECT_EQ((*client)->error().kind, Error::Kind::cancelled);
  EXPECT_EQ((*client)->try_write(as_bytes("x")).status, IoStatus::failed);
}

// Cuts the inner stream's bytes off after a while, with an orderly FIN.
TEST_F(TlsTest, a_fin_without_close_notify_is_a_reset) {
  auto [near, far] = io::make_pipe(loop);
  auto [between, beyond] = io::make_pipe(loop);
  io::TaskGroup relay(loop);
  const auto copy = [](io::Stream& from, io::Stream& to) -> io::Task<void> {
    std::array<std::byte, 4096> buffer;
    for (;;) {
      auto n = co_await io::read_some(from, buffer);
      if (!n || *n == 0) co_return;
      (void)co_await io::write_all(to, std::span(buffer).first(*n));
    }
  };
  relay.spawn(copy(*far, *between));
  relay.spawn(copy(*between, *far));
  io::TaskGroup tasks(loop);
  tasks.spawn(testing::accept_into(std::move(beyond), make(server_settings()), TimePoint::max(), server));
  tasks.spawn(testing::connect_into(std::move(near), make(client_settings()), TimePoint::max(), client));
  loop.run_until_idle();
  ASSERT_TRUE(client && server);
  EXPECT_EQ(carry(**client, **server, "some"), "some");
  relay.cancel_all();
  between->shutdown_write();
  EXPECT_EQ(read_status(**server), IoStatus::failed);
  EXPECT_EQ((*server)->error().kind, Error::Kind::reset);
  EXPECT_THAT((*server)->error().text, HasSubstr("close_notify"));
}

TEST_F(TlsTest, a_peer_that_leaves_in_mid_handshake_is_an_error_with_its_cause) {
  for (const bool reset : {false, true}) {
    auto [near, far] = io::make_pipe(loop);
    server = testing::not_yet();
    io::TaskGroup tasks(loop);
    tasks.spawn(testing::accept_into(std::move(far), make(server_settings()), TimePoint::max(), server));
    const char start[] = {22, 3, 1, 2, 0, 1, 0, 1};
    ASSERT_EQ(near->try_write(as_bytes({start, sizeof start})).count, sizeof start);
    loop.run_until_idle();
    if (reset) {
      near->abort();
    } else {
      near->shutdown_write();
    }
    loop.run_until_idle();
    ASSERT_FALSE(server);
    EXPECT_EQ(server.error().kind, Error::Kind::reset) << server.error().to_string();
    EXPECT_EQ(server.error().side, Error::Side::client);
  }
}

TEST_F(TlsTest, bytes_that_are_not_tls_are_called_so) {
  for (const auto& [bytes, what] :
       {std::pair{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "not TLS: got HTTP request"},
        {"\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c", "not TLS: got other bytes"}}) {
    auto [near, far] = io::make_pipe(loop);
    server = testing::not_yet();
    io::TaskGroup tasks(loop);
    tasks.spawn(testing::accept_into(std::move(far), make(server_settings()), TimePoint::max(), server));
    ASSERT_EQ(near->try_write(as_bytes(bytes)).status, IoStatus::ok);
    loop.run_until_idle();
    ASSERT_FALSE(server);
    EXPECT_EQ(server.error().kind, Error::Kind::protocol);
    EXPECT_THAT(server.error().text, HasSubstr(what));
  }
}

TEST_F(TlsTest, a_silent_peer_runs_into_the_deadline) {
  auto [near, far] = io::make_pipe(loop);
  io::TaskGroup tasks(loop);
  tasks.spawn(testing::accept_into(std::move(far), make(server_settings()), loop.now() + 5s, server));
  loop.advance(5s);
  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().kind, Error::Kind::timeout);
}

TEST_F(TlsTest, a_handshake_may_be_cancelled_by_destroying_it) {
  auto [near, far] = io::make_pipe(loop);
  {
    io::TaskGroup tasks(loop);
    tasks.spawn(testing::connect_into(std::move(near), make(client_settings()), TimePoint::max(), client));
    loop.run_until_idle();
  }
  std::array<std::byte, 4096> buffer;
  EXPECT_EQ(far->try_read(buffer).status, IoStatus::ok);  // the hello
  EXPECT_EQ(far->try_read(buffer).status, IoStatus::eof);
}

TEST_F(TlsTest, bytes_that_were_unread_are_part_of_the_handshake) {
  auto [near, far] = io::make_pipe(loop);
  io::TaskGroup tasks(loop);
  tasks.spawn(testing::connect_into(std::move(near), make(client_settings()), TimePoint::max(), client));
  loop.run_until_idle();
  std::array<std::byte, 4096> buffer;  // as protocol detection does
  const auto peeked = far->try_read(buffer);
  ASSERT_EQ(peeked.status, IoStatus::ok);
  far->unread(Bytes(buffer).first(peeked.count));
  tasks.spawn(testing::accept_into(std::move(far), make(server_settings()), TimePoint::max(), server));
  loop.run_until_idle();
  EXPECT_TRUE(client && server);
}

// ---- contexts

TEST_F(TlsTest, contexts_that_cannot_work_are_refused) {
  auto s = server_settings();
  s.identity.key = identity::PrivateKey::generate().value();
  EXPECT_THAT(ServerContext::make(s).error().text, HasSubstr("does not belong"));
  s = server_settings();
  s.trust.reset();
  EXPECT_FALSE(ServerContext::make(s));
  s = server_settings();
  s.common.ciphers = "NO-SUCH-CIPHER";
  EXPECT_THAT(ServerContext::make(s).error().text, HasSubstr("NO-SUCH-CIPHER"));
  s = server_settings();
  s.common.min_version = Version::tls1_3;
  s.common.max_version = Version::tls1_2;
  EXPECT_FALSE(ServerContext::make(s));
  auto c = client_settings();
  c.trust.reset();
  EXPECT_FALSE(ClientContext::make(c));
}

TEST(TlsNames, wildcards_cover_one_label) {
  EXPECT_TRUE(covers_host("*.example.org", "a.example.org"));
  EXPECT_TRUE(covers_host("example.org", "EXAMPLE.org."));
  EXPECT_FALSE(covers_host("*.example.org", "example.org"));
  EXPECT_FALSE(covers_host("*.example.org", "a.b.example.org"));
  EXPECT_FALSE(covers_host("*.example.org", ".example.org"));
  EXPECT_FALSE(covers_host("*.org", "example.org"));
  EXPECT_FALSE(covers_host("a*.example.org", "ab.example.org"));
}

// ---- over the kernel

TEST(TlsOverSockets, works_over_loopback) {
  auto loop = io::EpollLoop::make(1).value();
  const Authority authority{loop->wall_now()};
  auto acceptor = loop->listen(*SocketAddress::parse("127.0.0.1:0"), {}).value();
  const auto server_context = ServerContext::make({.identity = authority.workload("shop", "cart"),
                                                   .trust = authority.bundle(),
                                                   .client_certificate = ClientCertificate::required})
                                  .value();
  const auto client_context =
      ClientContext::make({.identity = authority.workload("web", "front"), .trust = authority.bundle()})
          .value();
  MaybeStream client = testing::not_yet(), server = testing::not_yet();
  io::TaskGroup tasks(*loop);
  tasks.spawn(
      [](io::Acceptor& a, std::shared_ptr<const ServerContext> c, MaybeStream& out) -> io::Task<void> {
        auto socket = co_await a.accept();
        out = co_await TlsStream::accept(std::move(*socket), c, TimePoint::max());
      }(*acceptor, server_context, server));
  tasks.spawn([](io::Loop& l, SocketAddress a, std::shared_ptr<const ClientContext> c,
                 MaybeStream& out) -> io::Task<void> {
    auto socket = co_await l.connect(a, {});
    out = co_await TlsStream::connect(std::move(*socket), c, TimePoint::max());
  }(*loop, acceptor->address(), client_context, client));
  while (!tasks.empty()) loop->run_once(10s);
  ASSERT_TRUE(client) << client.error().to_string();
  ASSERT_TRUE(server) << server.error().to_string();
  EXPECT_EQ((*server)->peer().spiffe_id()->service_account(), "front");

  constexpr size_t kSize = 20'000'003;
  std::array<bool, 2> sent{};
  std::array<size_t, 2> got{};
  std::array<IoStatus, 2> ended{};
  tasks.spawn(send_much(**client, kSize, sent[0]));
  tasks.spawn(send_much(**server, kSize, sent[1]));
  tasks.spawn(receive_much(**server, got[0], ended[0]));
  tasks.spawn(receive_much(**client, got[1], ended[1]));
  while (!tasks.empty()) loop->run_once(10s);
  EXPECT_EQ(got[0], kSize);
  EXPECT_EQ(got[1], kSize);
  EXPECT_EQ(ended[0], IoStatus::eof);
}

}  // namespace
}  // namespace weft::tls
