#include "storage/live_channel.hpp"

namespace watchkeeper::storage {
namespace {

class null_live_channel final : public live_channel {
 public:
  void start(receiver) override {}
  void stop() override {}
  void publish(std::string&&) noexcept override {}
  [[nodiscard]] statistics state() const override { return {}; }
};

}  // namespace

std::unique_ptr<live_channel> make_null_live_channel() {
  return std::make_unique<null_live_channel>();
}

}  // namespace watchkeeper::storage
