#pragma once

#include <openssl/bio.h>

namespace watchkeeper::sdk {

/// An OpenSSL BIO over a socket that is written with MSG_NOSIGNAL: a gateway that goes away must
/// not end the app by SIGPIPE. Does not own the socket. Null when memory is short.
BIO* make_socket_bio(const BIO_METHOD* method, int socket);
BIO_METHOD* make_socket_bio_method();

}  // namespace watchkeeper::sdk
