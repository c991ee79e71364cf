#pragma once

#include <nghttp2/nghttp2.h>

namespace watchkeeper::net {

/// The callbacks and options of every nghttp2 session of the server; made once a process, read by
/// all threads. Throw std::bad_alloc.
const nghttp2_session_callbacks* shared_session_callbacks();
const nghttp2_option* shared_session_options();

}  // namespace watchkeeper::net
