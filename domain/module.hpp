#pragma once

#include <cstdint>
#include <string>

#include "domain/ids.hpp"
#include "domain/progress.hpp"

namespace watchkeeper {

/// A module of the catalogue.
struct module_record {
  module_id id;
  std::string title;  // UTF-8, at most 512 bytes
  module_rules rules;
  wall_ms updated_ms;
  std::string preview_url;  // https or an absolute path; empty: none
  // Counts the changes of the rules, from 1 on; a return after a removal counts as one.
  std::int32_t revision = 1;
  friend bool operator==(const module_record&, const module_record&) = default;
};

}  // namespace watchkeeper
