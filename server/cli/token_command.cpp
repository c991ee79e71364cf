#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ostream>

#include "base/base64url.hpp"
#include "crypto/digest.hpp"
#include "server/cli/commands.hpp"
#include "server/config/keys.hpp"
#include "server/config/load_steps.hpp"
#include "server/config/text_checks.hpp"

namespace watchkeeper::server {
namespace {

constexpr std::size_t secret_bytes = 32;

// Appends only to a file that is a valid configuration and stays one.
result<ok_t, std::string> check_target(const token_request& request) {
  loaded_configuration there;
  there.sources.file = request.append_to;
  there.sources.file_must_exist = false;
  there = load_configuration(std::move(there.sources));
  if (!there.usable())
    return fmt::format("the file is unchanged, because it has problems:\n{}",
                       describe(there.problems));
  for (const auto& token : there.values.tokens)
    if (token.name == request.name)
      return fmt::format("{} has a token named {} already; choose another name\n",
                         request.append_to, request.name);
  if (there.values.tokens.size() >= configured_tokens_max)
    return fmt::format("{} has {} tokens already, which is the limit\n", request.append_to,
                       configured_tokens_max);
  return ok;
}

// One call of write, so that the block is there whole or not at all.
result<ok_t, std::string> append(const std::string& path, const std::string& block) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return fmt::format("cannot open {}: {}\n", path, std::strerror(errno));
  const auto written = ::write(file, block.data(), block.size());
  const int why = written < 0 ? errno : ENOSPC;
  const bool closed = ::close(file) == 0;
  if (written == static_cast<ssize_t>(block.size()) && closed) return ok;
  return fmt::format("cannot write {}: {}\n", path, std::strerror(why));
}

}  // namespace

int run_token(const token_request& request, std::ostream& out, std::ostream& err) {
  if (const auto good = check_token_name(request.name); !good) {
    err << "watchkeeper token: --name: " << good.error() << '\n';
    return exit_usage;
  }
  if (!request.append_to.empty())
    if (const auto good = check_target(request); !good) {
      err << "watchkeeper token: " << good.error();
      return exit_problem;
    }

  std::array<std::uint8_t, secret_bytes> random{};
  crypto::random_bytes(random);
  const auto secret = fmt::format("wk_{}_{}", request.role, base64url::encode(random));
  const auto digest = crypto::sha256(secret);
  const auto block =
      fmt::format("\n[[token]]\nname = {}\nrole = {}\nsha256 = {}\n", toml_quote(request.name),
                  toml_quote(request.role), toml_quote(crypto::hex(digest)));
  if (!request.append_to.empty()) {
    // The blank line at the block's start also ends a last line that lacks its end.
    if (const auto appended = append(request.append_to, block); !appended) {
      err << "watchkeeper token: " << appended.error();
      return exit_problem;
    }
  }
  out << "The secret. It is shown only now and stored nowhere:\n\n  " << secret << "\n\n";
  if (request.append_to.empty())
    out << "Add this to the configuration file, then send the gateway SIGHUP:\n" << block;
  else
    out << "Appended to " << request.append_to << "; a running gateway loads it on SIGHUP:\n"
        << block;
  return exit_ok;
}

}  // namespace watchkeeper::server
