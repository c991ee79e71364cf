#include "server/app/build.hpp"

namespace watchkeeper::server {

build_info this_build() {
  return {.version = WATCHKEEPER_VERSION,
          .commit = WATCHKEEPER_COMMIT,
          .compiler = "GCC " __VERSION__,
          .build_type = WATCHKEEPER_BUILD_TYPE};
}

}  // namespace watchkeeper::server
