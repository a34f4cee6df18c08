// The library's callbacks, which find their TlsStream through the SSL they are given. Set by context.cc.
// Only tls/*.cc includes this.
#pragma once

#include <openssl/ssl.h>

namespace weft::tls {

enum ssl_verify_result_t verify_certificate(SSL* ssl, uint8_t* alert);
int select_alpn(SSL* ssl, const uint8_t** out, uint8_t* out_size, const uint8_t* offered,
                unsigned offered_size, void*);
int save_new_session(SSL* ssl, SSL_SESSION* session);
// The loop's date, of the stream that is at work in this thread.
void current_time(const SSL*, struct timeval* out);

}  // namespace weft::tls
