#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include "domain/problem.hpp"
#include "storage/storage_error.hpp"

namespace watchkeeper::server {

/// The problem that a call ends with. The handlers of this folder throw it; api.cpp, which runs
/// them, catches it and makes the response. `detail` is for the client: it names the member or
/// parameter, what is wrong with it and what would be right. It holds no text of a library and
/// nothing of the stores.
class api_problem : public std::exception {
 public:
  api_problem(problem what, std::string detail) : what_(what), detail_(std::move(detail)) {}
  /// With one more member of the document, a string.
  api_problem(problem what, std::string detail, std::string_view name, std::string value)
      : what_(what), detail_(std::move(detail)), member_{name, std::move(value)} {}
  [[nodiscard]] problem what_problem() const noexcept { return what_; }
  [[nodiscard]] const std::string& detail() const noexcept { return detail_; }
  [[nodiscard]] const char* what() const noexcept override { return detail_.c_str(); }
  struct member {
    std::string_view name = {};  // empty: there is none
    std::string value = {};
  };
  [[nodiscard]] const member& more() const noexcept { return member_; }

 private:
  problem what_;
  std::string detail_;
  member member_;
};

/// A store failed: the client gets 503, the log gets the failure.
class storage_fault : public std::exception {
 public:
  explicit storage_fault(storage::storage_failure failure) : failure_(std::move(failure)) {}
  [[nodiscard]] const storage::storage_failure& failure() const noexcept { return failure_; }
  [[nodiscard]] const char* what() const noexcept override { return failure_.detail.c_str(); }

 private:
  storage::storage_failure failure_;
};

/// The value. Throws storage_fault if the store failed.
template <class T>
T need(storage::stored<T> outcome) {
  if (!outcome) throw storage_fault(outcome.error());
  return std::move(outcome).value();
}

}  // namespace watchkeeper::server
