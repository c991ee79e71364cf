#include "server/keys/ticket_key_file.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <sys/stat.h>

#include "base/atomic_file.hpp"

namespace watchkeeper::server {

result<net::ticket_key_list, std::string> read_ticket_keys(const std::string& path) {
  auto file = read_whole(path, net::ticket_key_file_bytes_max);
  if (!file) return file.error();
  auto keys = net::parse_ticket_keys(file->text);
  OPENSSL_cleanse(file->text.data(), file->text.size());
  if ((file->mode & (S_IROTH | S_IWOTH | S_IXOTH)) != 0)
    return fmt::format(
        "{}: other users of this machine may use the file (mode {:o}); run chmod 600", path,
        file->mode);
  if (!keys) return fmt::format("{}: {}", path, keys.error());
  return std::move(*keys);
}

}  // namespace watchkeeper::server
