#pragma once

#include <string>

#include "net/server.hpp"

namespace watchkeeper::net::test {

/// A directory of its own, removed with everything in it.
class temporary_directory {
 public:
  temporary_directory();
  ~temporary_directory();
  temporary_directory(const temporary_directory&) = delete;
  temporary_directory& operator=(const temporary_directory&) = delete;
  [[nodiscard]] std::string path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// Writes a fresh P-256 key and a certificate for localhost and 127.0.0.1, signed with it.
tls_files make_certificate(const temporary_directory& where, const std::string& name);

}  // namespace watchkeeper::net::test
