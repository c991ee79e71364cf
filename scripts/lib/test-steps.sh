# The steps of scripts/test, in their order. scripts/test includes it, after run-steps.sh.
# Set before: $seed, $long_seed (numbers), $jobs (how many processes compile or check at a time).
# shellcheck disable=SC2154 # these

configure() { [ -f "build/$1/build.ninja" ] || cmake --preset "$1"; }

# ctest_in DIRECTORY [ctest's options]
ctest_in() {
  BOOST_TEST_REPORT_LEVEL=short BOOST_TEST_COLOR_OUTPUT=no \
    ctest --test-dir "$1" --verbose --no-tests=error -j "$jobs" "${@:2}"
}

# -- first: what takes little time, and the build --------------------------------------------------

define dependencies 1800 check first '' 'install what is missing'
run_dependencies() { scripts/install-dependencies test; }

define includes 60 check first '' 'include directions'
run_includes() { scripts/check-includes; }

define format 300 check first dependencies 'format of C++'
run_format() {
  find base domain crypto storage net sdk actors tools server bench tests -type f \
    \( -name '*.cpp' -o -name '*.hpp' -o -name '*.h' -o -name '*.c' \) -not -path '*/node_modules/*' -print0 |
    xargs -0 -P "$jobs" -n 20 clang-format --dry-run -Werror
}

define links 60 check first '' 'links, names and words in the documentation, a README in each room, the page of limits'
run_links() { scripts/check-links && scripts/check-rooms && scripts/check-words && scripts/generate-limits --check; }

define documentation 600 check first '' 'what the checks of the documentation find'
run_documentation() { tests/scripts/documentation; }

define thread-safety 300 check first dependencies 'clang-tidy finds what is used without its mutex'
run_thread_safety() { tests/scripts/thread-safety; }

define shell 120 check first dependencies 'format and lint of shell'
run_shell() { scripts/check-shell; }

define web-style 600 check first dependencies 'format and lint of TypeScript, JavaScript, CSS and JSON'
run_web_style() { scripts/check-web; }

define style 600 check first dependencies 'no long functions, no long files'
run_style() { scripts/check-style; }

define steps 120 check first '' 'the limits of these steps'
run_steps() { tests/scripts/run-steps; }

define front-door 600 check first '' 'what scripts/run refuses, which Node.js the scripts take'
run_front_door() { tests/scripts/front-door; }

define console 900 check first dependencies 'build and unit tests of the console'
run_console() { scripts/build-console --check; }

# The fuzz targets list their files: one that has moved is found here.
define configure 300 check first 'dependencies console' 'configure'
run_configure() { configure release && configure fuzz; }

define build 3600 check first configure 'build'
run_build() { cmake --build build/release -j "$jobs"; }

# -- front: tests that mostly wait -----------------------------------------------------------------

define unit 1500 ctest front build 'unit tests in C++'
run_unit() { ctest_in build/release; }

define sdk-web 900 check front dependencies 'module for web pages and player page: types, unit tests, build'
run_sdk_web() { scripts/build-web --check; }

define integration 3000 counted front build 'tests/integration, tests/attacks and the tests of tests/faults'
run_integration() { tests/integration/run; }

define faults 1800 counted front build 'short form of the fault scenarios'
run_faults() { tests/faults/run --seed "$seed"; }

# -- beside: what only computes --------------------------------------------------------------------

define tidy 3600 check beside configure 'clang-tidy over the product; tidy-tests has the rest'
run_tidy() { scripts/check-tidy --jobs "$jobs" base domain crypto storage net sdk actors tools server; }

# sanitized PRESET FOLDER …: builds and runs the unit tests of these folders.
sanitized() {
  local preset=$1
  shift
  configure "$preset" &&
    cmake --build "build/$preset" -j "$jobs" --target "${@/%/_test}" &&
    UBSAN_OPTIONS=print_stacktrace=1 ctest_in "build/$preset" -R "^($(
      IFS='|'
      echo "$*"
    ))\$"
}

define sanitize 5400 ctest beside configure 'unit tests with the address and undefined-behaviour sanitizers; sanitize-server has the rest'
run_sanitize() { sanitized sanitize base domain crypto storage net sdk_c; }

# All at once: each runs a minute, of which it has a share of the cores.
define fuzz 1800 counted beside dependencies 'fuzz targets, a minute each'
run_fuzz() { scripts/fuzz --jobs 6 --seed "$seed"; }

# -- long: repetition and random seeds -------------------------------------------------------------

define unit-seed 1500 ctest long build 'unit tests in C++, with a random seed'
run_unit_seed() { WATCHKEEPER_SEED=$long_seed ctest_in build/release; }

define mutants 7200 counted long dependencies 'unit tests and simulation fail when one fix is taken out'
run_mutants() { tests/mutants/run; }

define repeat 86400 counted long build 'fault scenarios with 50 seeds each, integration files 20 times on busy cores'
run_repeat() { scripts/test-repeat --seed "$long_seed"; }

# They take ten minutes to compile.
define sanitize-server 5400 ctest long dependencies 'the same for the actors, the tools and the server'
run_sanitize_server() { sanitized sanitize actors tools server; }

# Without CAF: Debian's library is built without the sanitizer, which would report its queues.
define sanitize-threads 5400 ctest long dependencies 'unit tests of the threads and stores with the thread sanitizer'
run_sanitize_threads() { sanitized sanitize-threads base crypto storage net sdk_c; }

define tidy-tests 3600 check long build 'clang-tidy over the tests and bench/'
run_tidy_tests() { scripts/check-tidy --jobs "$jobs" tests bench; }

define fault-soak 7200 check long build 'every fault scenario with many faults, 10,000 seeds of the simulation'
run_fault_soak() { scripts/fault-soak --seed "$long_seed"; }

define fuzz-long 7200 counted long dependencies 'fuzz targets, 20 minutes each'
run_fuzz_long() { scripts/fuzz --jobs "$jobs" --seconds 1200 --seed "$long_seed"; }
