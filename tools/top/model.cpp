#include "tools/top/model.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "tools/fleet/limits.hpp"

namespace watchkeeper::top {
namespace {

using nlohmann::json;

constexpr std::size_t names_max = 64;  // problems or algorithms that are looked at

const json* find(const json& document, const std::string& pointer) {
  const json::json_pointer path{pointer};
  return document.contains(path) ? &document.at(path) : nullptr;
}

maybe number_in(const json& document, const std::string& pointer) {
  const auto* found = find(document, pointer);
  return found != nullptr && found->is_number() ? maybe{found->get<double>()} : std::nullopt;
}

/// What a terminal is shown must not be able to steer it.
std::string printable(std::string_view text) {
  constexpr std::size_t bytes_max = 256;
  std::string out;
  for (const char c : text.substr(0, bytes_max)) out += c >= 0x20 && c < 0x7f ? c : '?';
  return out;
}

}  // namespace

void top_model::look(json stats, time_point now) {
  previous_ = std::exchange(current_, std::move(stats));
  seconds_ = std::chrono::duration<double>(now - at_).count();
  at_ = now;
  if (previous_.is_null()) return;
  double sum = 0;
  for (const char* status : {"credited", "limited", "duplicate", "rejected"})
    sum += per_second(std::string{"/heartbeats/"} + status).value_or(0);
  history_.push_back(sum);
  if (history_.size() > fleet::fleet_limits::top_history) history_.pop_front();
}

maybe top_model::number(const std::string& pointer) const {
  return number_in(current_, pointer);
}

std::optional<bool> top_model::flag(const std::string& pointer) const {
  const auto* found = find(current_, pointer);
  return found != nullptr && found->is_boolean() ? std::optional{found->get<bool>()} : std::nullopt;
}

std::string top_model::text(const std::string& pointer) const {
  const auto* found = find(current_, pointer);
  return found != nullptr && found->is_string() ? printable(found->get_ref<const std::string&>())
                                                : std::string{};
}

maybe top_model::per_second(const std::string& pointer) const {
  const auto newer = number_in(current_, pointer);
  const auto older = number_in(previous_, pointer);
  if (!newer || !older || *newer < *older || seconds_ <= 0) return std::nullopt;
  return (*newer - *older) / seconds_;
}

std::size_t top_model::shards() const {
  const auto* found = find(current_, "/shards");
  return found != nullptr && found->is_array()
             ? std::min(found->size(), fleet::fleet_limits::top_shards_max)
             : 0;
}

std::vector<std::pair<std::string, std::uint64_t>> top_model::problems() const {
  std::vector<std::pair<std::string, std::uint64_t>> out;
  const auto* found = find(current_, "/heartbeats/problems");
  if (found == nullptr || !found->is_object()) return out;
  for (const auto& [name, count] : found->items())
    if (count.is_number_unsigned() && count.get<std::uint64_t>() != 0 && out.size() < names_max)
      out.emplace_back(printable(name), count.get<std::uint64_t>());
  std::stable_sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return out;
}

std::vector<std::string> top_model::algorithms() const {
  std::vector<std::string> out;
  const auto* found = find(current_, "/verification");
  if (found == nullptr || !found->is_object()) return out;
  for (const auto& [name, value] : found->items())
    // A name goes into a JSON pointer, where '~' and '/' mean something.
    if (value.is_object() && name.find_first_of("~/") == name.npos && out.size() < names_max)
      out.push_back(name);
  return out;
}

}  // namespace watchkeeper::top
