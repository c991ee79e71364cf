#include <fmt/format.h>

#include <filesystem>
#include <ostream>

#include "base/atomic_file.hpp"
#include "base/base64url.hpp"
#include "base/calendar.hpp"
#include "server/cli/commands.hpp"

namespace watchkeeper::server {
namespace {

int failed(std::ostream& err, std::string_view command, std::string_view why) {
  err << fmt::format("watchkeeper keys {}: {}\n", command, why);
  return exit_problem;
}

void print(const agreement_keys& keys, std::ostream& out) {
  for (const auto& key : keys) {
    const auto made =
        key.created_ms() != never ? rfc3339(key.created_ms()) : std::string("at an unknown time");
    out << fmt::format("  {}  created {}{}\n", key.kid().text(), made,
                       &key == &keys.front() ? "  (announced)" : "");
  }
}

}  // namespace

int run_keys_new(const configuration& settings, wall_ms now_ms, std::ostream& out,
                 std::ostream& err) {
  const auto path = session_key_path(settings);
  std::error_code error;
  if (std::filesystem::exists(path, error))
    return failed(err, "new", path + " exists already; `watchkeeper keys rotate` adds a key to it");
  if (settings.session_keys.file.empty())
    if (const auto made = prepare_data_dir(settings); !made)
      return failed(err, "new", made.error());
  const agreement_keys made{crypto::agreement_key::generate(now_ms)};
  if (const auto written = create_whole(path, private_key_set(made), 0600); !written)
    return failed(err, "new", written.error());
  out << fmt::format("Created {}; every gateway of the deployment needs the same file:\n", path);
  print(made, out);
  return exit_ok;
}

int run_keys_list(const configuration& settings, std::ostream& out, std::ostream& err) {
  const auto path = session_key_path(settings);
  if (std::error_code ignored; !std::filesystem::exists(path, ignored) && !ignored)
    return failed(err, "list",
                  path +
                      " does not exist yet; the gateway creates it at its first start, and "
                      "`watchkeeper keys new` creates it at once");
  const auto found = read_session_keys(path);
  if (!found) return failed(err, "list", found.error());
  out << path << '\n';
  print(found->keys, out);
  return exit_ok;
}

int run_keys_rotate(const configuration& settings, const keys_request& request, wall_ms now_ms,
                    std::ostream& out, std::ostream& err) {
  const auto path = session_key_path(settings);
  const auto keep_count_max = static_cast<std::int64_t>(session_keys_max);
  if (request.keep_count < 1 || request.keep_count > keep_count_max) {
    err << fmt::format("watchkeeper keys rotate: --keep must be 1 to {}\n", keep_count_max);
    return exit_usage;
  }
  auto found = read_session_keys(path);
  if (!found) return failed(err, "rotate", found.error());
  if (found->is_pem)
    return failed(err, "rotate",
                  path +
                      " is PEM, which this command does not change: put the new key before the "
                      "others yourself");
  auto& keys = found->keys;
  keys.insert(keys.begin(), crypto::agreement_key::generate(now_ms));
  const auto keep_count = std::min(keys.size(), static_cast<std::size_t>(request.keep_count));
  const auto dropped = keys.size() - keep_count;
  keys.erase(keys.begin() + static_cast<std::ptrdiff_t>(keep_count), keys.end());
  if (const auto written = rewrite_whole(path, private_key_set(keys)); !written)
    return failed(err, "rotate", written.error());
  out << fmt::format("Added a key to {}{}; gateways load it on SIGHUP:\n", path,
                     dropped == 0   ? ""
                     : dropped == 1 ? " and removed the oldest"
                                    : fmt::format(" and removed the oldest {}", dropped));
  print(keys, out);
  return exit_ok;
}

}  // namespace watchkeeper::server
