#pragma once

#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>

#include "domain/coverage.hpp"
#include "domain/ids.hpp"

/// Random numbers for the property tests: the same on every run, unless WATCHKEEPER_SEED says else.
namespace watchkeeper::test {

class random_source {
 public:
  random_source() : seed_(from_environment()), engine_(seed_) {}

  [[nodiscard]] std::uint64_t seed() const { return seed_; }
  /// In [low, high].
  template <class T>
  T between(T low, T high) {
    return static_cast<T>(std::uniform_int_distribution<std::int64_t>{
        static_cast<std::int64_t>(low), static_cast<std::int64_t>(high)}(engine_));
  }
  bool one_in(int n) { return between(1, n) == 1; }
  template <class Container>
  const auto& pick(const Container& c) {
    return c[between<std::size_t>(0, c.size() - 1)];
  }
  std::mt19937_64& engine() { return engine_; }

 private:
  static std::uint64_t from_environment() {
    const char* text = std::getenv("WATCHKEEPER_SEED");
    return text ? std::strtoull(text, nullptr, 10) : 8141;
  }
  std::uint64_t seed_;
  std::mt19937_64 engine_;
};

/// Printed with every failed check in its scope.
#define WATCHKEEPER_REPLAY(source) \
  BOOST_TEST_CONTEXT("replay: WATCHKEEPER_SEED=" << (source).seed())

/// How often this thread has called operator new.
std::uint64_t allocations_of_this_thread() noexcept;

}  // namespace watchkeeper::test
