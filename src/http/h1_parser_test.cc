#include "http/h1_parser.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "http/h1_writer.h"

namespace weft::http {
namespace {

// Everything that a parser says of `pieces`, as text: two runs are equal if and only if their texts are.
std::string read_requests(const std::vector<std::string_view>& pieces, H1Limits limits = {}) {
  H1Parser parser(limits);
  Buffer input;
  Request request;
  std::string out;
  bool in_body = false;
  for (const std::string_view piece : pieces) {
    input.append(piece);
    for (;;) {
      if (!in_body) {
        auto complete = parser.parse_request(input, request);
        if (!complete) return concat(out, "refused ", parser.refusal_status());
        if (!*complete) break;
        in_body = true;
        out += concat(request.method, ' ', request.authority, ' ', request.path, ' ',
                      to_string(request.version), parser.keep_alive() ? " keep" : " close");
        if (!request.protocol.empty()) out += concat(" upgrade=", request.protocol);
        if (request.expect_continue) out += " expect";
        for (const auto& field : request.headers) out += concat(" ", field.name, "=", field.value);
        out += " body=";
      }
      const H1Parser::Body step = parser.poll_body(input);
      if (step == H1Parser::Body::need_more) break;
      if (step == H1Parser::Body::data) {
        const Bytes data = parser.data(input);
        out += as_text(data);
        parser.consume(input, data.size());
        continue;
      }
      if (step == H1Parser::Body::failed) return concat(out, " failed ", parser.refusal_status());
      if (step == H1Parser::Body::trailers) {
        for (const auto& field : parser.trailers()) out += concat(" +", field.name, "=", field.value);
      }
      out += ";";
      parser.next_message();
      request = Request();
      in_body = false;
    }
  }
  if (in_body || parser.in_head() || !input.empty()) out += " ...";
  return out;
}

std::string read_request(std::string_view text) { return read_requests({text}); }

struct Case {
  std::string_view name;
  std::string_view input;
  std::string_view result;
};

const Case kRequests[] = {
    // ---- what is right
    {"get", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET a / HTTP/1.1 keep body=;"},
    {"fields keep their case and order", "GET /p?q HTTP/1.1\r\nX-B: 1\r\nhOst: a:80\r\nx-a:  2 \t\r\n\r\n",
     "GET a:80 /p?q HTTP/1.1 keep X-B=1 x-a=2 body=;"},
    {"empty value", "GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\r\n", "GET a / HTTP/1.1 keep X= body=;"},
    {"obs-text in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: \xc3\xa9\r\n\r\n",
     "GET a / HTTP/1.1 keep X=\xc3\xa9 body=;"},
    {"pipelined", "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
     "GET a /1 HTTP/1.1 keep body=;GET a /2 HTTP/1.1 keep body=;"},
    {"length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: b\r\n\r\n",
     "POST a / HTTP/1.1 keep body=abc;GET b / HTTP/1.1 keep body=;"},
    {"leading zeros in the length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 003\r\n\r\nabc",
     "POST a / HTTP/1.1 keep body=abc;"},
    {"chunked",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
     "chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
     "POST a / HTTP/1.1 keep body=abc0123456789;"},
    {"chunked in capitals",
     "POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: CHUNKED\r\n\r\n1\r\nx\r\n000\r\n\r\n",
     "POST a / HTTP/1.1 keep body=x;"},
    {"chunk extension is dropped",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;n=\"v\";x\r\nabc\r\n0;last\r\n\r\n",
     "POST a / HTTP/1.1 keep body=abc;"},
    {"trailers",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Sum: 9\r\n\r\n",
     "POST a / HTTP/1.1 keep body=x +X-Sum=9;"},
    {"trailers that would frame or route are ignored",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 9\r\nHost: "
     "b\r\nA: 1\r\n\r\n",
     "POST a / HTTP/1.1 keep body= +A=1;"},
    {"one empty line before a request", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
     "GET a / HTTP/1.1 keep body=;"},
    {"connection fields are taken out",
     "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nB: "
     "2\r\n\r\n",
     "GET a / HTTP/1.1 close B=2 body=;"},
    {"te trailers is kept",
     "GET / HTTP/1.1\r\nHost: a\r\nTE: trailers, deflate;q=0.5\r\nConnection: TE\r\n\r\n",
     "GET a / HTTP/1.1 keep te=trailers body=;"},
    {"other te is not", "GET / HTTP/1.1\r\nHost: a\r\nTE: deflate\r\n\r\n", "GET a / HTTP/1.1 keep body=;"},
    {"http/1.0 closes", "GET / HTTP/1.0\r\n\r\n", "GET  / HTTP/1.0 close body=;"},
    {"http/1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
     "GET  / HTTP/1.0 keep body=;"},
    {"a higher minor version is 1.1", "GET / HTTP/1.3\r\nHost: a\r\n\r\n", "GET a / HTTP/1.1 keep body=;"},
    {"empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET  / HTTP/1.1 keep body=;"},
    {"absolute form wins over host", "GET http://b:81/x?y HTTP/1.1\r\nHost: a\r\n\r\n",
     "GET b:81 /x?y HTTP/1.1 keep body=;"},
    {"absolute form without path", "GET HTTP://b HTTP/1.1\r\nHost: a\r\n\r\n",
     "GET b / HTTP/1.1 keep body=;"},
    {"absolute form with query alone", "GET http://b?q HTTP/1.1\r\nHost: a\r\n\r\n",
     "GET b /?q HTTP/1.1 keep body=;"},
    {"options absolute", "OPTIONS http://b HTTP/1.1\r\nHost: b\r\n\r\n", "OPTIONS b * HTTP/1.1 keep body=;"},
    {"options asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS a * HTTP/1.1 keep body=;"},
    {"connect", "CONNECT b:443 HTTP/1.1\r\nHost: b\r\n\r\n", "CONNECT b:443  HTTP/1.1 keep body=;"},
    {"connect to ipv6", "CONNECT [::1]:443 HTTP/1.1\r\nHost: b\r\n\r\n",
     "CONNECT [::1]:443  HTTP/1.1 keep body=;"},
    {"upgrade", "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
     "GET a / HTTP/1.1 keep upgrade=websocket body=;"},
    {"upgrade without connection is none", "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
     "GET a / HTTP/1.1 keep body=;"},
    {"h2c upgrade is none",
     "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: "
     "AAA\r\n\r\n",
     "GET a / HTTP/1.1 keep body=;"},
    {"expect", "PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nx",
     "PUT a / HTTP/1.1 keep expect body=x;"},
    {"odd but legal host", "GET / HTTP/1.1\r\nHost: A_b-c.d:\r\n\r\n", "GET A_b-c.d: / HTTP/1.1 keep body=;"},

    // ---- request smuggling
    {"CL.TE",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
     "refused 400"},
    {"TE.CL",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: "
     "3\r\n\r\n8\r\nSMUGGLED\r\n0\r\n\r\n",
     "refused 400"},
    {"TE.TE",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
     "chunked\r\n\r\n0\r\n\r\n",
     "refused 400"},
    {"TE.TE with an unknown second",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n",
     "refused 400"},
    {"TE.0 in OPTIONS",
     "OPTIONS / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n",
     "refused 400"},
    {"TE: xchunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", "refused 400"},
    {"TE: chunked, identity", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
     "refused 400"},
    {"TE: identity", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", "refused 400"},
    {"TE: identity, chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n",
     "refused 400"},
    {"TE: chunked, chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
     "refused 400"},
    {"TE: ,chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,chunked\r\n\r\n", "refused 400"},
    {"TE: chunked with a quote", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n",
     "refused 400"},
    {"TE: chunked;q", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;q=1\r\n\r\n", "refused 400"},
    {"TE: empty", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", "refused 400"},
    {"TE: vertical tab",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0b"
     "chunked\r\n\r\n",
     "refused 400"},
    {"TE: gzip, chunked is unknown", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
     "refused 501"},
    {"TE in http/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "refused 400"},
    {"TE with a space before the colon", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n",
     "refused 400"},
    {"TE folded", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n", "refused 400"},
    {"TE after a tab", "POST / HTTP/1.1\r\nHost: a\r\n\tTransfer-Encoding: chunked\r\n\r\n", "refused 400"},
    {"look-alike Transfer_Encoding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n",
     "refused 400"},
    {"look-alike transferencoding", "POST / HTTP/1.1\r\nHost: a\r\ntransferencoding: chunked\r\n\r\n",
     "refused 400"},
    {"look-alike Content_Length", "POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 3\r\n\r\n", "refused 400"},
    {"two different lengths",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "refused 400"},
    {"two equal lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
     "refused 400"},
    {"a list of lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc", "refused 400"},
    {"signed length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc", "refused 400"},
    {"negative length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", "refused 400"},
    {"hexadecimal length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc", "refused 400"},
    {"empty length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", "refused 400"},
    {"length beyond 64 bits", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551619\r\n\r\nabc",
     "refused 400"},
    {"length with an inner space", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 0\r\n\r\n",
     "refused 400"},
    {"connect with a body", "CONNECT b:1 HTTP/1.1\r\nHost: b\r\nContent-Length: 4\r\n\r\nGET ",
     "refused 400"},
    {"expect folded", "POST / HTTP/1.1\r\nHost: a\r\nExpect:\r\n 100-continue\r\nContent-Length: 1\r\n\r\n",
     "refused 417"},
    {"expect something else", "POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", "refused 417"},
    {"connection drops an identity",
     "GET / HTTP/1.1\r\nHost: a\r\nConnection: x-forwarded-for\r\nX-Forwarded-For: 1\r\n\r\n", "refused 400"},
    {"connection drops the host", "GET / HTTP/1.1\r\nHost: a\r\nConnection: host\r\n\r\n", "refused 400"},

    // ---- chunks
    {"chunk size with a sign", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\nx\r\n",
     "POST a / HTTP/1.1 keep body= failed 400"},
    {"chunk size with 0x", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\nx\r\n",
     "POST a / HTTP/1.1 keep body= failed 400"},
    {"chunk size with a space after it",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n",
     "POST a / HTTP/1.1 keep body= failed 400"},
    {"chunk size with a space before it",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n 1\r\nx\r\n",
     "POST a / HTTP/1.1 keep body= failed 400"},
    {"empty chunk size", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\nx\r\n",
     "POST a / HTTP/1.1 keep body= failed 400"},
    {"chunk size beyond 64 bits",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000001\r\nx\r\n",
     "POST a / HTTP/1.1 keep body= failed 400"},
    {"chunk size of 64 bits",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx\r\n",
     "POST a / HTTP/1.1 keep body= failed 400"},
    {"chunk line ends with a bare LF",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n",
     "POST a / HTTP/1.1 keep body= failed 400"},
    {"chunk line ends with a bare CR",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\rx\r\n0\r\n\r\n",
     "POST a / HTTP/1.1 keep body= failed 400"},
    {"chunk extension with a bare CR",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a\rb\r\nx\r\n0\r\n\r\n",
     "POST a / HTTP/1.1 keep body= failed 400"},
    {"chunk extension with a bare LF",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;a\nx\r\n0\r\n\r\n",
     "POST a / HTTP/1.1 keep body= failed 400"},
    {"chunk longer than its size",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n0\r\n\r\n",
     "POST a / HTTP/1.1 keep body=x failed 400"},
    {"chunk data ends with a bare LF",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\n0\r\n\r\n",
     "POST a / HTTP/1.1 keep body=x failed 400"},
    {"trailer with a bare LF",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\n\r\n",
     "POST a / HTTP/1.1 keep body= failed 400"},
    {"trailer poses as framing",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\ncontent_length: 5\r\n\r\n",
     "POST a / HTTP/1.1 keep body= failed 400"},

    // ---- lines
    {"bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", "refused 400"},
    {"bare LF after a field", "GET / HTTP/1.1\r\nHost: a\n\r\n", "refused 400"},
    {"bare LF ends the head", "GET / HTTP/1.1\r\nHost: a\r\n\n", "refused 400"},
    {"bare CR in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", "refused 400"},
    {"NUL in a value", std::string_view("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 35), "refused 400"},
    {"NUL in a name", std::string_view("GET / HTTP/1.1\r\nHost: a\r\nX\0: a\r\n\r\n", 34), "refused 400"},
    {"DEL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n", "refused 400"},
    {"empty name", "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", "refused 400"},
    {"no colon", "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", "refused 400"},
    {"space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "refused 400"},
    {"space inside a name", "GET / HTTP/1.1\r\nHost: a\r\nX Y: 1\r\n\r\n", "refused 400"},
    {"obs-fold", "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", "refused 400"},
    {"first field folded", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", "refused 400"},
    {"two empty lines before a request", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "refused 400"},

    // ---- host
    {"no host", "GET / HTTP/1.1\r\n\r\n", "refused 400"},
    {"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "refused 400"},
    {"two equal hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "refused 400"},
    {"host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "refused 400"},
    {"host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "refused 400"},
    {"host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "refused 400"},
    {"host with a bad port", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", "refused 400"},
    {"no host with an absolute form", "GET http://b/ HTTP/1.1\r\n\r\n", "refused 400"},

    // ---- request line
    {"lower-case version", "GET / http/1.1\r\nHost: a\r\n\r\n", "refused 400"},
    {"no version", "GET /\r\nHost: a\r\n\r\n", "refused 400"},
    {"version 2", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", "refused 505"},
    {"version 0.9", "GET / HTTP/0.9\r\n\r\n", "refused 505"},
    {"long version", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", "refused 400"},
    {"two spaces after the method", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "refused 400"},
    {"two spaces after the target", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", "refused 400"},
    {"space after the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "refused 400"},
    {"tab for space", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", "refused 400"},
    {"space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "refused 400"},
    {"fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", "refused 400"},
    {"bytes above ASCII in the target", "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", "refused 400"},
    {"no slash", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", "refused 400"},
    {"asterisk with get", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", "refused 400"},
    {"connect without port", "CONNECT b HTTP/1.1\r\nHost: b\r\n\r\n", "refused 400"},
    {"connect with a path", "CONNECT /x HTTP/1.1\r\nHost: b\r\n\r\n", "refused 400"},
    {"absolute form without host", "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", "refused 400"},
    {"absolute form with a user", "GET http://u@b/ HTTP/1.1\r\nHost: a\r\n\r\n", "refused 400"},
    {"another scheme", "GET ftp://b/ HTTP/1.1\r\nHost: a\r\n\r\n", "refused 400"},
    {"a TLS hello", "\x16\x03\x01\x02", "refused 400"},
    {"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "refused 505"},
};

TEST(H1RequestParser, reads_each_request_in_one_way) {
  for (const Case& c : kRequests) EXPECT_EQ(read_request(c.input), c.result) << c.name;
}

TEST(H1RequestParser, reads_the_same_wherever_the_bytes_are_split) {
  for (const Case& c : kRequests) {
    for (size_t at = 1; at < c.input.size(); ++at) {
      EXPECT_EQ(read_requests({c.input.substr(0, at), c.input.substr(at)}), c.result)
          << c.name << " at " << at;
    }
    std::vector<std::string_view> bytes;
    for (size_t i = 0; i < c.input.size(); ++i) bytes.push_back(c.input.substr(i, 1));
    EXPECT_EQ(read_requests(bytes), c.result) << c.name << " byte by byte";
  }
}

TEST(H1RequestParser, names_what_is_wrong) {
  H1Parser parser;
  Buffer input;
  input.append(std::string_view("GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n"));
  Request request;
  const auto result = parser.parse_request(input, request);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, Error::Kind::protocol);
  EXPECT_EQ(result.error().side, Error::Side::client);
  EXPECT_NE(result.error().text.find("whitespace stands between a field's name and its colon"),
            std::string::npos);
}

TEST(H1RequestParser, bounds_the_request_line) {
  H1Limits limits;
  limits.max_start_line = 30;
  EXPECT_EQ(read_requests({"GET /0123456789abcd HTTP/1.1\r\nHost: a\r\n\r\n"}, limits),
            "GET a /0123456789abcd HTTP/1.1 keep body=;");
  EXPECT_EQ(read_requests({"GET /0123456789abcde HTTP/1.1\r\nHost: a\r\n\r\n"}, limits), "refused 414");
  EXPECT_EQ(read_requests({"GET /0123456789abcdefghijklmnopqrstuvwxyz"}, limits), "refused 414");
}

TEST(H1RequestParser, bounds_the_head) {
  H1Limits limits;
  limits.max_head = 100;
  const std::string fits = "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(100 - 32, 'x') + "\r\n\r\n";
  const std::string above = "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(101 - 32, 'x') + "\r\n\r\n";
  EXPECT_TRUE(read_requests({fits}, limits).starts_with("GET a /")) << read_requests({fits}, limits);
  EXPECT_EQ(read_requests({above}, limits), "refused 431");
  EXPECT_EQ(read_requests({"GET / HTTP/1.1\r\nHost: a\r\nX: ", std::string(200, 'x')}, limits),
            "refused 431");
}

TEST(H1RequestParser, bounds_the_number_of_fields) {
  H1Limits limits;
  limits.max_fields = 3;
  EXPECT_TRUE(
      read_requests({"GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n"}, limits).ends_with(";"));
  EXPECT_EQ(read_requests({"GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\n\r\n"}, limits),
            "refused 431");
}

TEST(H1RequestParser, bounds_chunk_extensions_and_trailers) {
  H1Limits limits;
  limits.max_chunk_extension = 8;
  limits.max_chunk_overhead = 12;
  limits.max_trailers = 20;
  const std::string head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_TRUE(read_requests({head, "1;1234567\r\nx\r\n0\r\n\r\n"}, limits).ends_with("body=x;"));
  EXPECT_TRUE(read_requests({head, "1;12345678\r\nx\r\n0\r\n\r\n"}, limits).ends_with("failed 400"));
  EXPECT_TRUE(read_requests({head, "1;1234567\r\nx\r\n1;1234\r\nx\r\n"}, limits).ends_with("failed 400"));
  EXPECT_TRUE(read_requests({head, "0\r\nA: 12345678901234\r\n"}, limits).ends_with(" ..."));
  EXPECT_TRUE(read_requests({head, "0\r\nA: 12345678901234567890\r\n"}, limits).find(" failed") !=
              std::string::npos);
}

// ---------------------------------------------------------------- responses

std::string read_response(const std::vector<std::string_view>& pieces, H1Parser::Asked asked, bool closed) {
  H1Parser parser;
  Buffer input;
  Response response;
  std::string out;
  bool in_body = false;
  const auto describe = [&] {
    in_body = true;
    out += concat(response.status, parser.keep_alive() ? " keep" : " close");
    if (response.content_length) out += concat(" length=", *response.content_length);
    if (parser.is_tunnel()) out += " tunnel";
    for (const auto& field : response.headers) out += concat(" ", field.name, "=", field.value);
    out += " body=";
  };
  const auto step = [&](H1Parser::Body body) {
    switch (body) {
      case H1Parser::Body::need_more:
        return false;
      case H1Parser::Body::data: {
        const Bytes data = parser.data(input);
        out += as_text(data);
        parser.consume(input, data.size());
        return true;
      }
      case H1Parser::Body::failed:
        out += " failed";
        return false;
      case H1Parser::Body::trailers:
        for (const auto& field : parser.trailers()) out += concat(" +", field.name, "=", field.value);
        [[fallthrough]];
      case H1Parser::Body::end:
        break;
    }
    out += ";";
    if (response.informational()) {
      parser.next_message();
      response = Response();
      in_body = false;
      return true;
    }
    return false;
  };
  for (const std::string_view piece : pieces) {
    input.append(piece);
    for (;;) {
      if (!in_body) {
        const auto complete = parser.parse_response(input, response, asked);
        if (!complete) return concat(out, "refused");
        if (!*complete) break;
        describe();
      }
      if (out.ends_with(';') || !step(parser.poll_body(input))) break;
    }
  }
  if (closed && in_body && !out.ends_with(';')) {
    while (step(parser.end_of_input(input))) {
    }
  }
  return out;
}

struct ResponseCase {
  std::string_view name;
  std::string_view input;
  std::string_view result;
  H1Parser::Asked asked = {};
  bool closed = false;
};

const ResponseCase kResponses[] = {
    {"length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\n\r\nhi", "200 keep length=2 X=y body=hi;"},
    {"no reason", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "200 keep length=0 body=;"},
    {"empty reason", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "200 keep length=0 body=;"},
    {"chunked with trailers",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nGrpc-Status: 0\r\n\r\n",
     "200 keep body=hi +Grpc-Status=0;"},
    {"until close", "HTTP/1.1 200 OK\r\n\r\nall of it", "200 close body=all of it;", {}, true},
    {"head", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "200 keep length=5 body=;", {.head = true}},
    {"head with chunked",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
     "200 keep body=;",
     {.head = true}},
    {"204", "HTTP/1.1 204 No Content\r\n\r\n", "204 keep length=0 body=;"},
    {"304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", "304 keep length=7 body=;"},
    {"1xx then final",
     "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!",
     "103 keep length=0 Link=x body=;200 keep length=1 body=!;"},
    {"101",
     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x01\x02",
     "101 keep tunnel upgrade=websocket body=\x01\x02",
     {.upgrade = true}},
    {"connect 200 ignores framing",
     "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabc",
     "200 keep tunnel body=abc",
     {.connect = true}},
    {"connect refused has a body",
     "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno",
     "403 keep length=2 body=no;",
     {.connect = true}},
    {"http/1.0 closes", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", "200 close length=1 body=x;"},
    {"http/1.0 keep-alive", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx",
     "200 keep length=1 body=x;"},
    {"connection close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
     "200 close length=0 body=;"},
    {"cut in a length",
     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
     "200 keep length=5 body=ab failed",
     {},
     true},
    {"cut in a chunk",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
     "200 keep body=ab failed",
     {},
     true},
    {"101 unasked", "HTTP/1.1 101 Switching\r\n\r\n", "refused"},
    {"both framings", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
     "refused"},
    {"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "refused"},
    {"unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "refused"},
    {"obs-fold", "HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\n\r\n", "refused"},
    {"bare LF", "HTTP/1.1 200 OK\nX: 1\r\n\r\n", "refused"},
    {"bad version", "HTTP/2.0 200 OK\r\n\r\n", "refused"},
    {"bad status", "HTTP/1.1 20 OK\r\n\r\n", "refused"},
    {"status below 100", "HTTP/1.1 099 OK\r\n\r\n", "refused"},
    {"four digits", "HTTP/1.1 2000 OK\r\n\r\n", "refused"},
    {"not http", "SSH-2.0-OpenSSH\r\n", "refused"},
};

TEST(H1ResponseParser, reads_each_response_in_one_way) {
  for (const ResponseCase& c : kResponses)
    EXPECT_EQ(read_response({c.input}, c.asked, c.closed), c.result) << c.name;
}

TEST(H1ResponseParser, reads_the_same_wherever_the_bytes_are_split) {
  for (const ResponseCase& c : kResponses) {
    for (size_t at = 1; at < c.input.size(); ++at) {
      EXPECT_EQ(read_response({c.input.substr(0, at), c.input.substr(at)}, c.asked, c.closed), c.result)
          << c.name << " at " << at;
    }
  }
}

// ---------------------------------------------------------------- writer

TEST(H1Writer, writes_what_the_parser_reads_back) {
  for (const std::string_view text : {
           "GET /a?b HTTP/1.1\r\nHost: h\r\nX-Y: z\r\n\r\n",
           "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
           "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
           "GET / HTTP/1.1\r\nHost: h\r\nte: trailers\r\nConnection: TE\r\n\r\n",
           "CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n",
       }) {
    H1Parser parser;
    Buffer input;
    input.append(text);
    Request request;
    ASSERT_TRUE(*parser.parse_request(input, request)) << text;
    Buffer out;
    const H1Framing framing = write_request_head(out, request, !parser.has_body(), {});
    if (parser.has_body()) {
      ASSERT_EQ(parser.poll_body(input), H1Parser::Body::data);
      framing == H1Framing::chunked ? append_chunk(out, parser.data(input)) : out.append(parser.data(input));
      parser.consume(input, 3);
      const auto end = parser.poll_body(input);
      if (framing == H1Framing::chunked) {
        append_last_chunk(out, end == H1Parser::Body::trailers ? &parser.trailers() : nullptr);
      }
    }
    EXPECT_EQ(read_request(out.text()), read_request(text)) << out.text();
  }
}

TEST(H1Writer, lets_no_value_begin_a_line) {
  Request request;
  request.method = "GET";
  request.authority = "a";
  request.path = "/";
  request.headers.add("x", "1\r\nSmuggled: yes");
  request.headers.add("bad name", "x");
  Buffer out;
  write_request_head(out, request, true, {});
  EXPECT_EQ(out.text(), "GET / HTTP/1.1\r\nHost: a\r\nx: 1  Smuggled: yes\r\n\r\n");
}

TEST(H1Writer, frames_responses_by_status_method_and_client) {
  const auto write = [](int status, std::optional<uint64_t> length, bool end, ResponseStyle style) {
    Response response;
    response.status = status;
    response.content_length = length;
    Buffer out;
    write_response_head(out, response, end, style);
    return std::string(out.text());
  };
  EXPECT_EQ(write(200, 5, false, {}), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(write(200, std::nullopt, false, {}), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(write(200, std::nullopt, true, {}), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(write(200, 5, true, {.head = true}), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(write(200, std::nullopt, true, {.head = true}), "HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_EQ(write(204, 0, true, {}), "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(write(304, 0, true, {}), "HTTP/1.1 304 Not Modified\r\n\r\n");
  EXPECT_EQ(write(200, 0, true, {.connect = true}), "HTTP/1.1 200 OK\r\n\r\n");
  EXPECT_EQ(write(101, 0, false, {.protocol = "websocket"}),
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  EXPECT_EQ(write(200, std::nullopt, false, {.client = Version::http10}),
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(write(200, 0, true, {.close = true}),
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

}  // namespace
}  // namespace weft::http
