#pragma once

#include <chrono>

namespace watchkeeper::net::test {

/// No wait of a test takes longer; one that does has failed. It says nothing of how fast the server
/// is: a machine may be busy.
inline constexpr int wait_max_ms = 30'000;
inline constexpr std::chrono::milliseconds wait_max{wait_max_ms};

}  // namespace watchkeeper::net::test
