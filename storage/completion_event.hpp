#pragma once

#include <string>
#include <string_view>

#include "base/json_writer.hpp"
#include "storage/ledger.hpp"

namespace watchkeeper::storage {

/// The namespace of the ids of completion events (RFC 4122 section 4.3). Never changed: a receiver
/// knows a completion that is delivered again by its id.
inline constexpr std::string_view completion_event_namespace =
    "710f712c-be26-4e1b-9efc-43441fe973c4";

/// The life of all completions from before there were lives.
inline constexpr life_number life_before_lives{1, 1};

/// UUID version 5 of "<student>/<module>/<rule version>/<epoch>/<attempt>", lower case, without the
/// life where that is life_before_lives. Ids hold no '/'.
std::string completion_event_id(const completion& event);

/// The event of docs/protocol.md section 8: CloudEvents 1.0, structured JSON, one line, members in
/// a fixed order. `source` is the deployment's URI. `completion_percentage` and `threshold` have
/// two decimals; times are RFC 3339 with milliseconds, UTC.
void write_completion_event(json_writer& out, const completion& event, std::string_view source);

}  // namespace watchkeeper::storage
