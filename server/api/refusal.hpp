#pragma once

#include <exception>
#include <string>
#include <utility>

#include "domain/problem.hpp"
#include "storage/storage_error.hpp"

namespace watchkeeper::server {

/// Why a call is not done: thrown by the handlers of this folder, caught where a request is run
/// (api.cpp). Never leaves it. `detail` is for the client: it names the member or parameter, what
/// is wrong with it and what would be right; no text of a library, nothing of the stores.
class refusal : public std::exception {
 public:
  refusal(problem what, std::string detail) : what_(what), detail_(std::move(detail)) {}
  [[nodiscard]] problem reason() const noexcept { return what_; }
  [[nodiscard]] const std::string& detail() const noexcept { return detail_; }
  [[nodiscard]] const char* what() const noexcept override { return detail_.c_str(); }

 private:
  problem what_;
  std::string detail_;
};

/// A store did not do what was asked: 503 for the client, the failure for the log.
class storage_fault : public std::exception {
 public:
  explicit storage_fault(storage::storage_failure failure) : failure_(std::move(failure)) {}
  [[nodiscard]] const storage::storage_failure& failure() const noexcept { return failure_; }
  [[nodiscard]] const char* what() const noexcept override { return failure_.detail.c_str(); }

 private:
  storage::storage_failure failure_;
};

/// The value, or storage_fault.
template <class T>
T need(storage::stored<T> outcome) {
  if (!outcome) throw storage_fault(outcome.error());
  return std::move(outcome).value();
}

}  // namespace watchkeeper::server
