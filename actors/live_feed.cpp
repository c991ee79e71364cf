#include "actors/live_feed.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>

#include "crypto/digest.hpp"

namespace watchkeeper::actors {
namespace {

std::uint64_t random_number() {
  std::array<std::uint8_t, 8> bytes{};
  crypto::random_bytes(bytes);
  std::uint64_t number = 0;
  for (const auto byte : bytes) number = number << 8 | byte;
  return number;
}

live_second grown_since(const live_counts& before, const live_counts& now,
                        std::int64_t elapsed_ms) {
  const auto grown = [](std::uint64_t a, std::uint64_t b) { return a >= b ? a - b : 0; };
  live_second second{std::max<std::int64_t>(1, elapsed_ms), now};
  for (std::size_t i = 0; i < now.by_status.size(); ++i)
    second.grown.by_status[i] = grown(now.by_status[i], before.by_status[i]);
  for (std::size_t i = 0; i < problem_count; ++i)
    second.grown.by_problem[i] = grown(now.by_problem[i], before.by_problem[i]);
  return second;
}

/// All of `totals` but who is active.
struct totals_text {
  std::string before;
  std::string after;
  [[nodiscard]] std::string with(std::span<const module_activity* const> modules) const {
    auto out = before;
    for (const auto* module : modules)
      fmt::format_to(std::back_inserter(out), "{}\"{}\":{}", module == modules.front() ? "" : ",",
                     module->module.view(), module->active);
    return out + after;
  }
};

totals_text text_of_totals(const live_second& second, std::size_t gateways,
                           std::span<const module_activity* const> active) {
  const auto& grown = second.grown;
  const auto status = [&](credit_status of) {
    return grown.by_status[static_cast<std::size_t>(of)];
  };
  std::uint64_t all = 0;
  for (const auto count : grown.by_status) all += count;
  std::uint64_t students = 0;
  for (const auto* module : active) students += module->active;
  totals_text text;
  const auto to = std::back_inserter(text.before);
  fmt::format_to(
      to,
      R"({{"gateways":{},"active_modules":{},"active_students":{},"heartbeats_per_s":{:.1f},"credited":{},"limited":{},"duplicate":{},"rejected":{{)",
      gateways, active.size(), students,
      static_cast<double>(all) * 1000.0 / static_cast<double>(second.elapsed_ms),
      status(credit_status::credited), status(credit_status::limited),
      status(credit_status::duplicate));
  bool first = true;
  for (std::size_t i = 1; i < problem_count; ++i) {
    const auto count = grown.by_problem[i];
    if (count == 0) continue;
    fmt::format_to(to, "{}\"{}\":{}", first ? "" : ",", describe(static_cast<problem>(i)).name,
                   count);
    first = false;
  }
  text.before += R"(},"active":{)";
  text.after =
      fmt::format(R"(}},"sessions":{},"connections":{}}})", grown.sessions, grown.connections);
  return text;
}

}  // namespace

live_feed::live_feed(surroundings around)
    : around_(std::move(around)), gateway_(random_number()), totals_only_(std::nullopt) {}

live_feed::~live_feed() {
  stop();
}

void live_feed::start(std::function<live_counts()> counts, seen_function seen_elsewhere) {
  counts_ = std::move(counts);
  seen_elsewhere_ = std::move(seen_elsewhere);
  board_.keep_told(around_.channel->state().shared);
  told_ = counts_();
  totals_at_ms_ = kept_alive_ms_ = around_.now();
  {
    const std::lock_guard lock(mutex_);
    closed_ = false;
  }
  around_.channel->start({.message =
                              [this](std::string_view text) {
                                {
                                  const std::lock_guard lock(queue_mutex_);
                                  if (message_bytes_ + text.size() > queued_message_bytes_max) {
                                    gap_ = true;
                                  } else {
                                    message_bytes_ += text.size();
                                    messages_.emplace_back(text);
                                  }
                                }
                                ready_.notify_one();
                              },
                          .gap =
                              [this] {
                                {
                                  const std::lock_guard lock(queue_mutex_);
                                  gap_ = true;
                                  interest_changed_ = true;
                                }
                                ready_.notify_one();
                              }});
  thread_ = std::thread([this] { run(); });
}

void live_feed::stop() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  end_all();
  {
    const std::lock_guard lock(queue_mutex_);
    stopping_ = true;
  }
  ready_.notify_one();
  if (thread_.joinable()) thread_.join();
  around_.channel->stop();
}

void live_feed::settled(const settled_heartbeat& heartbeat) noexcept {
  try {
    const auto pair = heartbeat.request.pair();
    board_.count(pair, heartbeat.outcome.status, heartbeat.request.now_ms);
    if (watched_[bucket_of(pair.module)].load(std::memory_order_relaxed) == 0) return;
    raw_update raw{pair.module, update_of(heartbeat), around_.now()};
    bool first = false;
    {
      const std::lock_guard lock(queue_mutex_);
      first = queue_.empty();
      if (queue_.size() < queued_updates_max) {
        queue_.push_back(std::move(raw));
      } else {
        lost_.fetch_add(1, std::memory_order_relaxed);
        gap_ = gap_is_ours_ = true;
      }
    }
    if (first) ready_.notify_one();
  } catch (...) {  // out of memory: a live view is not worth more
    lost_.fetch_add(1, std::memory_order_relaxed);
  }
}

std::uint64_t live_feed::subscribe(std::shared_ptr<live_subscriber> who,
                                   const std::optional<module_id>& module,
                                   std::string_view last_event_id, unix_ms until_ms) {
  const auto now_ms = around_.now();
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    auto* stream = closed_ || subscriptions_.size() >= subscribers_max ? nullptr
                   : module ? find_or_make(*module, now_ms)
                            : &totals_only_;
    if (stream == nullptr) {
      ++refused_;
      return 0;
    }
    number = ++last_number_;
    stream->subscribers.emplace(number, who.get());
    who->write(stream->greeting(last_event_id, now_ms, retry_ms));
    subscriptions_.emplace(number, subscription{std::move(who), stream, until_ms});
  }
  if (module) {
    {
      const std::lock_guard lock(queue_mutex_);
      interest_changed_ = true;
    }
    ready_.notify_one();
  }
  return number;
}

void live_feed::unsubscribe(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  remove_subscriber(number, false);
}

void live_feed::end(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  remove_subscriber(number, true);
}

void live_feed::student_erased(const student_id& student) noexcept {
  try {
    {
      const std::lock_guard lock(queue_mutex_);
      if (erased_.size() < queued_erasures_max)
        erased_.push_back(student);
      else
        gap_ = true;
    }
    ready_.notify_one();
  } catch (...) {  // out of memory
    const std::lock_guard lock(queue_mutex_);
    gap_ = true;
  }
}

void live_feed::end_all() {
  const std::lock_guard lock(mutex_);
  while (!subscriptions_.empty()) remove_subscriber(subscriptions_.begin()->first, true);
}

void live_feed::remove_subscriber(std::uint64_t number, bool tell) {
  const auto found = subscriptions_.find(number);
  if (found == subscriptions_.end()) return;
  auto& stream = *found->second.stream;
  stream.subscribers.erase(number);
  if (stream.subscribers.empty()) stream.wanted_until_ms = around_.now() + linger_ms;
  if (tell) found->second.who->end();
  subscriptions_.erase(found);
}

live_stream* live_feed::find(const module_id& module) noexcept {
  const auto found = streams_.find(module);
  return found != streams_.end() ? found->second.get() : nullptr;
}

live_stream* live_feed::find_or_make(const module_id& module, unix_ms now_ms) {
  if (auto* held = find(module)) return held;
  if (streams_.size() >= streams_max) {
    housekeep(now_ms);
    if (streams_.size() >= streams_max) return nullptr;
  }
  auto& made = streams_[module];
  made = std::make_unique<live_stream>(module);
  watched_[bucket_of(module)].fetch_add(1, std::memory_order_relaxed);
  return made.get();
}

void live_feed::run() {
  using clock = std::chrono::steady_clock;
  auto burst_at = clock::now();
  auto second_at = clock::now() + std::chrono::milliseconds(totals_ms);
  const bool shared = around_.channel->state().shared;
  for (;;) {
    // Others are to be told of heartbeats that nobody here watches as well.
    const auto look_at =
        shared ? std::min(second_at, burst_at + std::chrono::milliseconds(burst_ms)) : second_at;
    {
      std::unique_lock lock(queue_mutex_);
      // At once after a pause, and never sooner than burst_ms after the burst before.
      ready_.wait_until(lock, burst_at, [&] { return stopping_; });
      ready_.wait_until(lock, look_at, [&] {
        return stopping_ || !queue_.empty() || !messages_.empty() || !erased_.empty() || gap_ ||
               interest_changed_ || unfinished_;
      });
      if (stopping_) return;
    }
    const auto now_ms = around_.now();
    try {
      burst(now_ms);
      if (clock::now() >= second_at) {
        board_.sweep(now_ms);
        tell_totals(now_ms);
        const std::lock_guard lock(mutex_);
        housekeep(now_ms);
        second_at = std::max(second_at + std::chrono::milliseconds(totals_ms), clock::now());
      }
    } catch (const std::exception& error) {
      around_.log(2, "live", std::string("a live event was lost: ") + error.what());
      lost_.fetch_add(1, std::memory_order_relaxed);
    }
    burst_at = clock::now() + std::chrono::milliseconds(burst_ms);
  }
}

void live_feed::burst(unix_ms now_ms) {
  std::vector<raw_update> raw;
  bool gap = false;
  bool ours = false;
  {
    const std::lock_guard lock(queue_mutex_);
    raw.swap(queue_);
    std::swap(gap, gap_);
    std::swap(ours, gap_is_ours_);
    unfinished_ = false;
  }
  const std::lock_guard lock(mutex_);
  if (gap) gap_everywhere();
  if (ours && around_.channel->state().shared)
    around_.channel->publish(encode({gateway_, live_gap{}}));
  take_messages(now_ms);
  take_updates(std::move(raw), now_ms);
  forget_erased(now_ms);
  tell_seen();
  bool more = false;
  for (auto& [module, stream] : streams_) {
    const auto text = stream->next_burst(now_ms, events_);
    if (!text.empty())
      for (const auto& [number, who] : stream->subscribers) who->write(text);
    more = more || stream->has_pending();
  }
  tell_interest(now_ms);
  if (!more) return;
  // Nothing may come that would wake the thread for the rest.
  const std::lock_guard queue_lock(queue_mutex_);
  unfinished_ = true;
}

void live_feed::take_messages(unix_ms now_ms) {
  std::vector<std::string> texts;
  {
    const std::lock_guard lock(queue_mutex_);
    texts.swap(messages_);
    message_bytes_ = 0;
  }
  for (const auto& text : texts) {
    const auto message = decode_live_message(text);
    if (!message || message->gateway == gateway_) continue;
    if (const auto* interest = std::get_if<live_interest>(&message->what)) {
      for (const auto& module : interest->modules)
        if (auto* stream = find_or_make(module, now_ms))
          stream->remote_until_ms = now_ms + interest_ms;
    } else if (const auto* updates = std::get_if<live_updates>(&message->what)) {
      if (auto* stream = find(updates->module))
        for (const auto& item : updates->items)
          if (!stream->add(item, now_ms)) lost_.fetch_add(1, std::memory_order_relaxed);
    } else if (const auto* seen = std::get_if<live_seen>(&message->what)) {
      take_seen(*seen, now_ms);
    } else if (const auto* second = std::get_if<live_second>(&message->what)) {
      if (others_.size() < gateways_max || others_.contains(message->gateway))
        others_[message->gateway] = {*second, now_ms};
      // One that has no heartbeats of its own brings those of others to the ledger all the same.
      if (seen_elsewhere_) seen_elsewhere_({}, {});
    } else {
      gap_everywhere();
    }
  }
}

void live_feed::take_seen(const live_seen& seen, unix_ms now_ms) {
  std::vector<student_id> students;
  students.reserve(seen.students.size());
  for (const auto& one : seen.students) {
    board_.count_elsewhere({one.student, seen.module}, one.credited, now_ms);
    students.push_back(one.student);
  }
  if (seen_elsewhere_) seen_elsewhere_(seen.module, students);
}

void live_feed::tell_seen() {
  const auto told = board_.take_told();
  for (auto at = told.begin(); at != told.end();) {
    live_seen seen{at->pair.module, {}};
    for (; at != told.end() && at->pair.module == seen.module &&
           seen.students.size() < live_message::students_max;
         ++at)
      seen.students.push_back({at->pair.student, at->credited});
    around_.channel->publish(encode({gateway_, std::move(seen)}));
  }
}

live_second live_feed::of_all(const live_second& second, unix_ms now_ms) {
  std::erase_if(others_,
                [&](const auto& each) { return each.second.heard_ms + gateway_ms <= now_ms; });
  auto all = second;
  for (const auto& [number, other] : others_) {
    // Each tells of about a second, which need not be this one.
    for (std::size_t i = 0; i < all.grown.by_status.size(); ++i)
      all.grown.by_status[i] += other.second.grown.by_status[i];
    for (std::size_t i = 0; i < problem_count; ++i)
      all.grown.by_problem[i] += other.second.grown.by_problem[i];
    all.grown.sessions += other.second.grown.sessions;
    all.grown.connections += other.second.grown.connections;
  }
  return all;
}

void live_feed::take_updates(std::vector<raw_update>&& raw, unix_ms now_ms) {
  // Together by module, each module's in their order.
  std::stable_sort(raw.begin(), raw.end(),
                   [](const auto& a, const auto& b) { return a.module < b.module; });
  for (auto at = raw.begin(); at != raw.end();) {
    const auto end =
        std::find_if(at, raw.end(), [&](const auto& each) { return each.module != at->module; });
    auto* stream = find(at->module);  // none: another module of the same bucket is watched
    if (stream != nullptr) {
      std::vector<live_update> coalesced;
      boost::unordered_flat_map<student_id, std::size_t, std::hash<student_id>> places;
      for (auto each = at; each != end; ++each) {
        if (!stream->add(each->update, each->at_ms)) {
          lost_.fetch_add(1, std::memory_order_relaxed);
          continue;
        }
        if (stream->remote_until_ms <= now_ms) continue;
        const auto [place, is_new] = places.emplace(each->update.student, coalesced.size());
        if (is_new)
          coalesced.push_back(std::move(each->update));
        else
          coalesced[place->second].append(each->update);
      }
      if (!coalesced.empty()) publish(*stream, coalesced);
    }
    at = end;
  }
}

void live_feed::publish(const live_stream& stream, std::span<const live_update> updates) {
  constexpr std::size_t chunk_bytes = live_message::bytes_max / 4;
  std::vector<const live_update*> chunk;
  std::size_t bytes = 0;
  const auto send = [&] {
    if (!chunk.empty()) around_.channel->publish(encode_updates(gateway_, *stream.module(), chunk));
    chunk.clear();
    bytes = 0;
  };
  for (const auto& update : updates) {
    // A line at its longest: the numbers of the head, and ten characters a number of each range.
    const auto size = 256 + 20 * (update.fresh.pieces().size() + update.played.size());
    if (chunk.size() == live_message::items_max || bytes + size > chunk_bytes) send();
    chunk.push_back(&update);
    bytes += size;
  }
  send();
}

void live_feed::tell_interest(unix_ms now_ms) {
  bool changed = false;
  {
    const std::lock_guard lock(queue_mutex_);
    std::swap(changed, interest_changed_);
  }
  if (!changed && now_ms - interest_told_ms_ < interest_told_ms) return;
  interest_told_ms_ = now_ms;
  if (!around_.channel->state().shared) return;
  live_interest interest;
  for (const auto& [module, stream] : streams_)
    if (!stream->subscribers.empty() || stream->wanted_until_ms > now_ms)
      if (interest.modules.size() < live_message::modules_max) interest.modules.push_back(module);
  if (!interest.modules.empty()) around_.channel->publish(encode({gateway_, std::move(interest)}));
}

void live_feed::tell_totals(unix_ms now_ms) {
  // Outside of the lock: it looks at the whole gateway.
  const auto counts = counts_();
  const auto activity = board_.read();
  const std::lock_guard lock(mutex_);
  const auto second = grown_since(told_, counts, now_ms - totals_at_ms_);
  if (around_.channel->state().shared) around_.channel->publish(encode({gateway_, second}));
  const auto all = of_all(second, now_ms);
  std::vector<const module_activity*> active;  // by module, as `activity` is
  for (const auto& module : activity)
    if (module.active != 0) active.push_back(&module);
  const auto text = text_of_totals(all, 1 + others_.size(), active);
  told_ = counts;
  totals_at_ms_ = now_ms;
  const bool keep_alive = now_ms - kept_alive_ms_ >= keep_alive_ms;
  if (keep_alive) kept_alive_ms_ = now_ms;
  const auto tell = [&](const live_stream& stream, std::span<const module_activity* const> named) {
    auto event = stream.passing("totals", text.with(named));
    if (keep_alive) event = ":\n\n" + event;
    ++events_;
    for (const auto& [number, who] : stream.subscribers) who->write(event);
  };
  // Who watches a module is told of that one: an event grows with no number of modules.
  for (const auto& [module, stream] : streams_) {
    if (stream->subscribers.empty()) continue;
    const auto found =
        std::lower_bound(active.begin(), active.end(), module,
                         [](const auto* each, const module_id& id) { return each->module < id; });
    const bool there = found != active.end() && (*found)->module == module;
    tell(*stream, there ? std::span(&*found, 1) : std::span<const module_activity* const>{});
  }
  if (totals_only_.subscribers.empty()) return;
  const auto named = std::min(active.size(), totals_modules_max);
  std::partial_sort(active.begin(), active.begin() + static_cast<std::ptrdiff_t>(named),
                    active.end(), [](const auto* a, const auto* b) {
                      return a->active != b->active ? a->active > b->active : a->module < b->module;
                    });
  tell(totals_only_, std::span(active).first(named));
}

void live_feed::housekeep(unix_ms now_ms) {
  for (auto at = subscriptions_.begin(); at != subscriptions_.end();) {
    const auto number = at->first;
    const auto until_ms = at->second.until_ms;
    ++at;
    if (until_ms != 0 && until_ms <= now_ms) remove_subscriber(number, true);
  }
  std::erase_if(streams_, [&](const auto& each) {
    const auto& stream = *each.second;
    if (!stream.subscribers.empty() || stream.wanted_until_ms > now_ms ||
        stream.remote_until_ms > now_ms)
      return false;
    watched_[bucket_of(each.first)].fetch_sub(1, std::memory_order_relaxed);
    return true;
  });
}

void live_feed::gap_everywhere() {
  for (const auto& [module, stream] : streams_) begin_anew(*stream);
}

void live_feed::begin_anew(live_stream& stream) {
  const auto text = stream.reset();
  ++events_;
  for (const auto& [number, who] : stream.subscribers) who->write(text);
}

void live_feed::forget_erased(unix_ms now_ms) {
  std::vector<student_id> erased;
  {
    const std::lock_guard lock(queue_mutex_);
    erased.swap(erased_);
  }
  if (erased.empty()) return;
  for (const auto& [module, stream] : streams_) {
    bool anew = false;
    for (const auto& student : erased) anew = stream->erased(student, now_ms) || anew;
    if (anew) begin_anew(*stream);
  }
}

live_feed_statistics live_feed::statistics() const {
  const std::lock_guard lock(mutex_);
  return {.subscribers = subscriptions_.size(),
          .modules = streams_.size(),
          .events = events_,
          .updates_lost = lost_.load(std::memory_order_relaxed),
          .subscribers_refused = refused_,
          .gateways = 1 + others_.size(),
          .channel = around_.channel->state()};
}

}  // namespace watchkeeper::actors
