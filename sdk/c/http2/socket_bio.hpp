#pragma once

#include <openssl/bio.h>

namespace watchkeeper::sdk::http2 {

/// An OpenSSL BIO over a socket that it does not own. It writes with MSG_NOSIGNAL: a gateway that
/// closes the connection must not end the process by SIGPIPE. Null if memory is short.
BIO* make_socket_bio(const BIO_METHOD* method, int socket);
BIO_METHOD* make_socket_bio_method();

}  // namespace watchkeeper::sdk::http2
