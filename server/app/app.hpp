#pragma once

#include "server/config/load.hpp"

namespace watchkeeper::server {

/// Runs the gateway with a usable configuration until SIGTERM or SIGINT; SIGHUP loads the sources
/// of the configuration again and takes over certificate, tokens and log settings. Exit codes: 0
/// everything in flight was answered and checkpointed; 1 it could not start, or the drain was cut
/// short. Blocks; called once, on the main thread, before any other thread is started.
int serve(const loaded_configuration& loaded);

}  // namespace watchkeeper::server
