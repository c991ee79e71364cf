// Progress by student and by module, and the erasure of a student.
#include <algorithm>

#include "crypto/digest.hpp"
#include "server/api/api_limits.hpp"
#include "server/api/api_problem.hpp"
#include "server/api/call.hpp"
#include "server/api/documents/progress_json.hpp"
#include "server/api/documents/request_bodies.hpp"
#include "server/api/resources/read_latest.hpp"
#include "server/api/resources/status_lists.hpp"
#include "storage/limits.hpp"

namespace watchkeeper::server {
namespace {

/// The modules in which the ledger or the hot store has progress of the student, sorted. The merged
/// list is sorted, so that a pair that moves from one store to the other between two pages is
/// neither listed twice nor missed.
std::vector<module_id> modules_of(call& c, const student_id& student) {
  std::vector<module_id> found;
  std::string cursor;
  do {
    auto page =
        need(c.store.ledger().progress_of_student(student, cursor, storage_limits::list_items_max));
    for (const auto& item : page.items) found.push_back(item.key.module);
    cursor = page.next.value_or("");
  } while (!cursor.empty() && found.size() < api_limits::student_modules_max);
  // Without the hot store the list is what the ledger has; /readyz says `degraded` then.
  if (const auto hot = c.store.hot().modules_of(student))
    found.insert(found.end(), hot.value().begin(), hot.value().end());
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

std::vector<storage::pair_progress> present_pairs(std::span<const pair_key> keys,
                                                  std::vector<std::optional<progress>> states) {
  std::vector<storage::pair_progress> present;
  present.reserve(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i)
    if (states[i]) present.push_back({keys[i], *std::move(states[i])});
  return present;
}

}  // namespace

net::http_response get_progress(call& c) {
  const pair_key key{c.student_at(0), c.module_at(1)};
  const auto state = read_latest(c, key);
  if (!state) throw api_problem(problem::not_found, "The student has no progress in this module");
  std::string body;
  json_writer out(body);
  out.begin_object();
  write_progress_members(out, key, *state);
  out.end_object();
  return json_response(std::move(body));
}

net::http_response list_student_progress(call& c) {
  const auto student = c.student_at(0);
  const auto cursor = c.query.cursor();
  const auto limit = c.query.limit();
  auto modules = modules_of(c, student);
  modules.erase(modules.begin(),
                std::find_if(modules.begin(), modules.end(),
                             [&](const module_id& id) { return id.view() > cursor; }));
  std::optional<std::string> next;
  if (modules.size() > limit) {
    modules.resize(limit);
    next = modules.back().view();
  }
  std::vector<pair_key> keys;
  for (const auto& module : modules) keys.push_back({student, module});
  auto recorded = need(c.store.ledger().look_up(keys));
  const auto items = present_pairs(keys, read_latest(c, keys, std::move(recorded)));
  std::string body;
  json_writer out(body);
  out.begin_object();
  write_items_and_next(out, items, next);
  out.end_object();
  return json_response(std::move(body));
}

net::http_response list_module_students(call& c) {
  const auto module = c.module_at(0);
  const auto order = c.query.find("order").value_or("student");
  if (order == "attention") return list_by_status(c, module);
  if (order != "student")
    throw api_problem(problem::malformed_request,
                      "The query parameter order must be student or attention");
  auto page = need(c.store.ledger().progress_of_module(module, c.query.cursor(), c.query.limit()));
  std::vector<pair_key> keys;
  for (const auto& item : page.items) keys.push_back(item.key);
  const auto items = present_pairs(keys, read_latest(c, std::move(page.items)));
  std::string body;
  json_writer out(body);
  out.begin_object();
  write_items_and_next(out, items, page.next);
  if (c.query.cursor().empty()) out.member("total", need(c.store.ledger().students_of(module)));
  out.end_object();
  return json_response(std::move(body));
}

net::http_response delete_student(call& c) {
  const auto student = c.student_at(0);
  // First the hot store learns which epochs have ended: what breaks off or comes late from here on
  // is of one of them, wherever it arrives.
  const auto in_ledger = need(c.store.ledger().life_of(student));
  const auto in_hot = c.store.hot().find_student(student, c.now_ms);
  // What cannot be read there is overwritten.
  if (!in_hot && !storage::is_of_single_pairs(in_hot.error())) throw storage_fault(in_hot.error());
  const auto epoch = std::max(in_ledger.epoch, in_hot ? in_hot->epoch : 0) + 1;
  need(c.gateway.end_epochs_below(student, epoch));
  // Before the ledger erases: one that goes back just then would have the student again for good.
  // If the call breaks off behind this and nobody repeats it, the next gateway that starts does.
  need(c.gateway.log_erasure(student, epoch));
  const auto erasure = crypto::random_uuid();
  const bool erased =
      need(c.store.ledger().erase_student(student, c.caller.name, erasure, c.now_ms, epoch));
  c.gateway.student_has_gone(student);
  c.gateway.forget_heatmap_rows();
  c.lists_by_status.drop_all();
  // Without the id: it must not outlive the student in a log.
  c.log(log_level::info, "api",
        erased ? "a student was erased by " + c.caller.name
               : "an erasure by " + c.caller.name + " found no such student in the ledger");
  // A hot store that came back older in between has lost what it learned above, and whoever has
  // repeated the erasures there since did not know of this one.
  need(c.gateway.end_epochs_below(student, epoch));
  auto response = no_content();
  response.headers.emplace_back("erasure-id", erasure);
  return response;
}

net::http_response reset_progress(call& c) {
  const pair_key key{c.student_at(0), c.module_at(1)};
  const auto reason = read_reset_reason(c.request);
  const auto known = read_latest(c, key);
  // What was acknowledged in the attempt that ends is still worth its completion.
  if (known) {
    const storage::pair_progress last{key, *known};
    need(c.store.ledger().checkpoint({&last, 1}, c.now_ms));
  }
  const auto begun = need(c.store.ledger().reset_progress(
      key, known, {.actor = c.caller.name, .reason = reason, .now_ms = c.now_ms}));
  if (!begun) throw api_problem(problem::not_found, "The student has no progress in this module");
  need(c.gateway.begin_attempt({key, *begun}));
  c.gateway.forget_heatmap_rows();
  c.lists_by_status.drop(key.module);
  c.log(log_level::info, "api", "a progress was reset by " + c.caller.name);
  return no_content();
}

}  // namespace watchkeeper::server
