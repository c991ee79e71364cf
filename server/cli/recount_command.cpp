#include <fmt/format.h>

#include <ostream>

#include "server/cli/commands.hpp"
#include "server/log/redaction.hpp"
#include "storage/ledger.hpp"

namespace watchkeeper::server {
namespace {

std::string seconds(std::uint64_t ms) {
  return fmt::format("{}.{:03} s", ms / 1000, ms % 1000);
}

std::string describe_recount(const module_id& module, const storage::heatmap_recount& found) {
  if (found.right())
    return fmt::format("{}: {} students, {} seen: right\n", module.view(), found.students,
                       seconds(found.counted_ms));
  std::string text =
      fmt::format("{}: {} students, {} seen, {} recorded", module.view(), found.students,
                  seconds(found.counted_ms), seconds(found.recorded_ms));
  if (found.wrong_bins > 0) text += fmt::format("; {} bins differ", found.wrong_bins);
  if (found.other_duration) text += "; the bins were cut from another duration";
  return text + '\n';
}

}  // namespace

int run_recount(const loaded_configuration& loaded, const recount_request& request,
                std::ostream& out, std::ostream& err) {
  const auto failed = [&](const std::string& why) {
    err << "watchkeeper recount: " << mask_secrets(why) << '\n';
    return static_cast<int>(exit_problem);
  };
  std::optional<module_id> only;
  if (!request.module.empty()) {
    only = module_id::parse(request.module);
    if (!only) {
      err << "watchkeeper recount: --module must be an id: 1 to 64 characters of A-Z a-z 0-9 . _ ~ "
             ": @ -\n";
      return exit_usage;
    }
  }
  const auto ledger = open_ledger(loaded.values);
  const auto version = ledger->version();
  if (!version) return failed(version.error().detail);
  if (version->applied != version->newest)
    return failed(
        fmt::format("the ledger is at schema {}, but this version needs {}; run `watchkeeper "
                    "migrate` first",
                    version->applied, version->newest));

  std::size_t modules = 0, wrong = 0;
  const auto one = [&](const module_id& module) -> std::optional<storage::storage_failure> {
    const auto found = ledger->recount_heatmap(module, !request.check_only);
    if (!found) return found.error();
    ++modules;
    wrong += found->right() ? 0 : 1;
    out << describe_recount(module, *found);
    return std::nullopt;
  };
  if (only) {
    if (const auto failure = one(*only)) return failed(failure->detail);
  } else {
    std::optional<module_id> module;
    for (;;) {
      const auto next = ledger->next_watched_module(module);
      if (!next) return failed(next.error().detail);
      if (!*next) break;
      module = **next;
      if (const auto failure = one(*module)) return failed(failure->detail);
    }
  }
  out << fmt::format("{} module{}, {} {}.\n", modules, modules == 1 ? "" : "s", wrong,
                     request.check_only ? "wrong" : "corrected");
  return request.check_only && wrong > 0 ? exit_problem : exit_ok;
}

}  // namespace watchkeeper::server
