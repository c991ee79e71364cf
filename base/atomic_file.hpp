#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <string>

#include "base/result.hpp"

/// Small files that are there whole or not at all.
namespace watchkeeper {

/// Writes a file beside it, syncs it and puts it in place of the old one. The error names the file.
result<ok_t, std::string> write_whole(const std::string& path, const std::string& text,
                                      mode_t mode);
/// The same with mode and owner of the file that it replaces.
result<ok_t, std::string> rewrite_whole(const std::string& path, const std::string& text);
/// The same where there must be none yet.
result<ok_t, std::string> create_whole(const std::string& path, const std::string& text,
                                       mode_t mode);

struct file_content {
  std::string text;
  mode_t mode = 0;  // permission bits
};
/// The error names the file, also one that is larger than `bytes_max` or no regular file.
result<file_content, std::string> read_whole(const std::string& path, std::size_t bytes_max);

}  // namespace watchkeeper
