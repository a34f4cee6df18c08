// RequestView: what routing and authorisation look at, without owning any of it.
//
//   RequestView view(request);                 // request outlives the view
//   routes.match(view, random.next());
#pragma once

#include <string_view>

#include "http/message.h"

namespace weft::policy {

struct RequestView {
  std::string_view method;
  std::string_view scheme;
  std::string_view authority;
  std::string_view path;      // normalised by the caller, query included
  std::string_view protocol;  // of an upgrade or an extended CONNECT, else empty
  const http::Headers* headers = nullptr;

  RequestView() = default;
  explicit RequestView(const http::Request& request)
      : method(request.method),
        scheme(request.scheme),
        authority(request.authority),
        path(request.path),
        protocol(request.protocol),
        headers(&request.headers) {}

  // Neither query nor fragment: what path matchers see.
  std::string_view path_alone() const { return path.substr(0, path.find_first_of("?#")); }
  std::string_view query() const {
    const size_t at = path.find('?');
    if (at == std::string_view::npos) return {};
    return path.substr(at + 1, path.find('#', at) - at - 1);
  }
  // A tunnel to an authority, not the extended CONNECT that carries WebSocket over HTTP/2.
  bool is_plain_connect() const { return method == "CONNECT" && protocol.empty(); }
};

}  // namespace weft::policy
