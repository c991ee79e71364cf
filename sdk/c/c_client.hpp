#pragma once

#include <memory>
#include <optional>
#include <string>

#include "sdk/c/c_ports.hpp"
#include "sdk/c/engine.hpp"
#include "sdk/c/include/watchkeeper.h"

/// An engine with all that it depends on.
struct wk_client {
  wk_callbacks callbacks{};
  std::unique_ptr<watchkeeper::sdk::device_clock> clock;
  const watchkeeper::sdk::c_clock* host_clock = nullptr;  // `clock`, if it is the host's
  std::unique_ptr<watchkeeper::sdk::signer> key;
  std::unique_ptr<watchkeeper::sdk::key_agreement> agreement;
  std::unique_ptr<watchkeeper::sdk::buffer_storage> storage;
  std::unique_ptr<watchkeeper::sdk::transport> network;
  std::optional<watchkeeper::sdk::engine> engine;
  int depth = 0;  // of calls into the engine: a callback may call again
};

namespace watchkeeper::sdk {

/// Checks `options` and builds `client` from them. On an error `why` gets a sentence, and `client`
/// must not be used. Throws if memory is short.
wk_result make_client(const wk_options& options, wk_client& client, std::string& why);

}  // namespace watchkeeper::sdk
