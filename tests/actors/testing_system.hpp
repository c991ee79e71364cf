#pragma once

#include <caf/actor_system_config.hpp>

namespace watchkeeper::actors::testing {

/// Of a system whose messages move only when the test says so (caf::scheduler::test_coordinator).
struct testing_config : caf::actor_system_config {
  testing_config() {
    set("scheduler.policy", caf::atom("testing"));
    set("logger.verbosity", caf::atom("quiet"));
  }
};

}  // namespace watchkeeper::actors::testing
