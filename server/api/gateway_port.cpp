#include "server/api/gateway_port.hpp"

#include "actors/gateway.hpp"

namespace watchkeeper::server {
namespace {

class actor_gateway_port final : public gateway_port {
 public:
  actor_gateway_port(actors::gateway& gateway, actors::live_feed& live,
                     actors::refusal_log& refusals)
      : gateway_(gateway), live_(live), refusals_(refusals) {}

  std::future<storage::stored<std::optional<progress>>> progress_of(const pair_key& pair) override {
    return gateway_.progress_of(pair);
  }
  storage::stored<ok_t> end_epochs_below(const student_id& student, std::uint32_t epoch) override {
    return gateway_.end_epochs_below(student, epoch);
  }
  storage::stored<ok_t> begin_attempt(const storage::pair_progress& pair) override {
    return gateway_.begin_attempt(pair);
  }
  storage::stored<actors::heatmap_view> heatmap_of(const module_id& module, media_ms duration_ms,
                                                   storage::ledger& ledger,
                                                   storage::hot_store& hot) override {
    return gateway_.heatmap_of(module, duration_ms, ledger, hot);
  }
  void forget_heatmap_rows() override { gateway_.forget_heatmap_rows(); }
  void judge_modules() override { gateway_.judge_modules(); }
  void forget_module(const module_id& id) override { gateway_.registry_cache().forget_module(id); }
  void forget_device(const thumbprint& kid) override {
    gateway_.registry_cache().forget_device(kid);
  }
  void forget_assignment(const pair_key& pair) override {
    gateway_.registry_cache().forget_assignment(pair);
  }
  storage::stored<ok_t> log_erasure(const student_id& student, std::uint32_t next_epoch) override {
    return gateway_.log_erasure(student, next_epoch);
  }
  [[nodiscard]] std::uint32_t erased_below(const student_id& student) const override {
    return gateway_.erased_below(student);
  }
  [[nodiscard]] std::int64_t last_sequence_seen() const override {
    return gateway_.last_sequence_seen();
  }
  void student_has_gone(const student_id& student) override { gateway_.student_has_gone(student); }
  [[nodiscard]] std::vector<actors::module_activity> activity() const override {
    return live_.activity();
  }
  [[nodiscard]] std::vector<actors::refusal_entry> refusals_of(const student_id& student,
                                                               std::size_t limit) const override {
    return refusals_.of(student, limit);
  }
  [[nodiscard]] actors::live_feed_statistics live_statistics() const override {
    return live_.statistics();
  }
  [[nodiscard]] actors::gateway_statistics statistics() const override {
    return gateway_.statistics();
  }
  [[nodiscard]] result<ok_t, std::string> ready() const override { return gateway_.ready(); }

 private:
  actors::gateway& gateway_;
  actors::live_feed& live_;
  actors::refusal_log& refusals_;
};

}  // namespace

std::unique_ptr<gateway_port> make_gateway_port(actors::gateway& gateway, actors::live_feed& live,
                                                actors::refusal_log& refusals) {
  return std::make_unique<actor_gateway_port>(gateway, live, refusals);
}

}  // namespace watchkeeper::server
