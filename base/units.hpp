#pragma once

#include <cstdint>

/// Units of time and place. A name ends with its unit; these aliases say what a number counts.
namespace watchkeeper {

/// Milliseconds since 1970-01-01T00:00:00Z.
using unix_ms = std::int64_t;

/// A position in, or a length of, a module's media time, in milliseconds.
using media_ms = std::int32_t;

/// Credit of the bucket, in microseconds of real time.
using credit_us = std::int64_t;

}  // namespace watchkeeper
