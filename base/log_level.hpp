#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace watchkeeper {

enum class log_level : std::uint8_t { debug, info, warning, error };

/// Where a part of the program that knows no log writes a line. Callers may use any thread; the
/// function neither blocks on the disk nor throws.
using log_function =
    std::function<void(log_level level, const std::string& component, const std::string& message)>;

}  // namespace watchkeeper
