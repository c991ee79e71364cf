#include "actors/live/feed.hpp"

#include <pthread.h>

#include <algorithm>
#include <chrono>

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

}  // namespace

live_feed::live_feed(dependencies deps)
    : deps_(std::move(deps)), gateway_(random_number()), totals_only_(std::nullopt) {}

live_feed::~live_feed() {
  stop();
}

void live_feed::start(std::function<live_counts()> counts, seen_function seen_elsewhere) {
  counts_ = std::move(counts);
  seen_elsewhere_ = std::move(seen_elsewhere);
  board_.collect_changes(deps_.channel->state().shared);
  const auto counts_at_start = counts_();  // outside of the lock: it reads those of the feed too
  {
    const mutex_lock lock(mutex_);
    announced_counts_ = counts_at_start;
    totals_at_ = last_keep_alive_at_ = deps_.time.monotonic_now();
    closed_ = false;
  }
  deps_.channel->start({.message =
                            [this](std::string_view text) {
                              {
                                const mutex_lock lock(queue_mutex_);
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
                                const mutex_lock lock(queue_mutex_);
                                gap_ = true;
                                interest_changed_ = true;
                              }
                              ready_.notify_one();
                            }});
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "wk-live");
    run();
  });
}

void live_feed::stop() {
  {
    const mutex_lock lock(mutex_);
    closed_ = true;
  }
  end_all();
  {
    const mutex_lock lock(queue_mutex_);
    stopping_ = true;
  }
  ready_.notify_one();
  if (thread_.joinable()) thread_.join();
  deps_.channel->stop();
}

void live_feed::acknowledged(const acknowledged_heartbeat& heartbeat) noexcept {
  try {
    const auto pair = heartbeat.request.pair();
    board_.count(pair, heartbeat.outcome.status, deps_.time.monotonic_now());
    if (watched_[bucket_of(pair.module)].load(std::memory_order_relaxed) == 0) return;
    raw_update raw{pair.module, update_of(heartbeat), deps_.time.wall_now()};
    bool first = false;
    {
      const mutex_lock lock(queue_mutex_);
      first = queue_.empty();
      if (queue_.size() < queued_updates_max) {
        queue_.push_back(std::move(raw));
      } else {
        lost_.fetch_add(1, std::memory_order_relaxed);
        gap_ = gap_is_ours_ = true;
      }
    }
    if (first) ready_.notify_one();
  } catch (...) {  // out of memory: the live view can do without this update
    lost_.fetch_add(1, std::memory_order_relaxed);
  }
}

std::uint64_t live_feed::subscribe(std::shared_ptr<live_subscriber> who,
                                   const std::optional<module_id>& module,
                                   std::string_view last_event_id, wall_ms until_ms) {
  std::uint64_t number = 0;
  {
    const mutex_lock lock(mutex_);
    auto* stream = closed_ || subscriptions_.size() >= subscribers_max ? nullptr
                   : module ? find_or_make(*module, deps_.time.monotonic_now())
                            : &totals_only_;
    if (stream == nullptr) {
      ++refused_;
      return 0;
    }
    stream->write_out(0);  // the newcomer gets this text with the greeting
    number = ++last_number_;
    stream->subscribers.emplace(number, who.get());
    who->write(stream->greeting(last_event_id, deps_.time.wall_now(), retry_ms));
    subscriptions_.emplace(number, subscription{std::move(who), stream, until_ms});
  }
  if (module) {
    {
      const mutex_lock lock(queue_mutex_);
      interest_changed_ = true;
    }
    ready_.notify_one();
  }
  return number;
}

void live_feed::unsubscribe(std::uint64_t number) {
  const mutex_lock lock(mutex_);
  remove_subscriber(number, false);
}

void live_feed::end(std::uint64_t number) {
  const mutex_lock lock(mutex_);
  remove_subscriber(number, true);
}

void live_feed::student_erased(const student_id& student, std::uint32_t next_epoch) noexcept {
  // If nobody knows which ones, none is left out: it could be the next one.
  const auto living = next_epoch == all_epochs ? 0 : next_epoch;
  queue({student, std::nullopt, {.epoch = living, .attempt = 0}});
}

void live_feed::progress_reset(const pair_key& pair, life_number begun) noexcept {
  queue({pair.student, pair.module, begun});
}

void live_feed::queue(const ended_life& ended) noexcept {
  try {
    {
      const mutex_lock lock(queue_mutex_);
      if (ended_.size() < queued_ended_max)
        ended_.push_back(ended);
      else
        gap_ = true;
    }
    ready_.notify_one();
  } catch (...) {  // out of memory
    const mutex_lock lock(queue_mutex_);
    gap_ = true;
  }
}

void live_feed::end_all() {
  const mutex_lock lock(mutex_);
  while (!subscriptions_.empty()) remove_subscriber(subscriptions_.begin()->first, true);
}

void live_feed::remove_subscriber(std::uint64_t number, bool notify) {
  const auto found = subscriptions_.find(number);
  if (found == subscriptions_.end()) return;
  auto& stream = *found->second.stream;
  stream.subscribers.erase(number);
  if (stream.subscribers.empty()) stream.linger_until = deps_.time.monotonic_now() + linger_ms;
  if (notify) found->second.who->end();
  subscriptions_.erase(found);
}

live_stream* live_feed::find(const module_id& module) noexcept {
  const auto found = streams_.find(module);
  return found != streams_.end() ? found->second.get() : nullptr;
}

live_stream* live_feed::find_or_make(const module_id& module, mono_ms now) {
  if (auto* stream = find(module)) return stream;
  if (streams_.size() >= streams_max) {
    housekeep(now);
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
  const bool shared = deps_.channel->state().shared;
  for (;;) {
    // The other gateways get heartbeats that nobody watches here, too.
    const auto wake_at =
        shared ? std::min(second_at, burst_at + std::chrono::milliseconds(burst_ms)) : second_at;
    {
      mutex_lock lock(queue_mutex_);
      // At once after a pause, and never sooner than burst_ms after the burst before.
      ready_.wait_until(lock.native(), burst_at,
                        [&]() REQUIRES(queue_mutex_) { return stopping_; });
      ready_.wait_until(lock.native(), wake_at, [&]() REQUIRES(queue_mutex_) {
        return stopping_ || !queue_.empty() || !messages_.empty() || !ended_.empty() || gap_ ||
               interest_changed_ || unfinished_;
      });
      if (stopping_) return;
    }
    const auto now = deps_.time.monotonic_now();
    auto pause_ms = burst_ms;
    try {
      burst(now);
      if (clock::now() >= second_at) {
        board_.sweep(now);
        announce_totals(now);
        const mutex_lock lock(mutex_);
        housekeep(now);
        second_at = std::max(second_at + std::chrono::milliseconds(totals_ms), clock::now());
      }
      pause_ms = write_out();
    } catch (const std::exception& error) {
      deps_.log(log_level::error, "live", std::string("a live event was lost: ") + error.what());
      lost_.fetch_add(1, std::memory_order_relaxed);
      const mutex_lock lock(queue_mutex_);
      gap_ = true;  // what the burst had taken is in no event
    }
    burst_at = clock::now() + std::chrono::milliseconds(pause_ms);
  }
}

void live_feed::housekeep(mono_ms now) {
  const auto wall_now_ms = deps_.time.wall_now();
  for (auto at = subscriptions_.begin(); at != subscriptions_.end();) {
    const auto number = at->first;
    const auto until_ms = at->second.until_ms;
    ++at;
    if (until_ms != never && until_ms <= wall_now_ms) remove_subscriber(number, true);
  }
  std::erase_if(streams_, [&](const auto& each) {
    const auto& stream = *each.second;
    if (!stream.subscribers.empty() || stream.linger_until > now || stream.remote_until > now)
      return false;
    watched_[bucket_of(each.first)].fetch_sub(1, std::memory_order_relaxed);
    return true;
  });
}

void live_feed::gap_everywhere() {
  for (const auto& [module, stream] : streams_) stream->begin_anew();
}

void live_feed::take_ended(std::span<const ended_life> ended) {
  for (const auto& life : ended) {
    ended_lately_.add(life);
    if (!life.module)
      gap_everywhere();
    else if (auto* stream = find(*life.module))
      stream->begin_anew();
  }
}

live_feed_statistics live_feed::statistics() const {
  const mutex_lock lock(mutex_);
  return {.subscribers = subscriptions_.size(),
          .modules = streams_.size(),
          .events = events_,
          .updates_lost = lost_.load(std::memory_order_relaxed),
          .subscribers_refused = refused_,
          .gateways = 1 + others_.size(),
          .channel = deps_.channel->state()};
}

}  // namespace watchkeeper::actors
