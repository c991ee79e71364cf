#include "server/api/resources/status_lists.hpp"

#include <boost/test/unit_test.hpp>
#include <future>
#include <thread>

#include "server/api/api_limits.hpp"

using namespace watchkeeper;
using namespace watchkeeper::server;

namespace {

constexpr auto fresh_ms = api_limits::status_list_fresh_ms;
constexpr auto lists_max = api_limits::status_lists_max;

module_id module_named(const std::string& name) {
  return *module_id::parse(name);
}
status_list list_of(const module_id& module, mono_ms made_at) {
  status_list list;
  list.module = module;
  list.made_at = made_at;
  return list;
}
struct fixture {
  status_lists lists;
  status_lists::shared first_page(const std::string& module, std::int64_t now_ms) {
    const auto id = module_named(module);
    const mono_ms now(now_ms);
    return lists.newest(id, now, [&] { return list_of(id, now); });
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(lists_by_attention)

BOOST_FIXTURE_TEST_CASE(a_fresh_list_serves_again_and_an_old_one_does_not, fixture) {
  const auto one = first_page("m", 1'000);
  BOOST_TEST(first_page("m", 1'000 + fresh_ms - 1) == one);
  BOOST_TEST(first_page("m", 1'000 + fresh_ms) != one);
  BOOST_TEST(lists.find(one->id, one->module) == one);
  BOOST_TEST(lists.find(one->id, module_named("other")) == nullptr);
}

BOOST_FIXTURE_TEST_CASE(who_looks_at_one_module_over_and_over_ends_nobody_elses_reading, fixture) {
  const auto quiet = first_page("quiet", 0);
  for (std::int64_t now = 0; now < 100 * fresh_ms; now += fresh_ms) first_page("busy", now);
  BOOST_TEST(lists.find(quiet->id, quiet->module) == quiet);
}

BOOST_FIXTURE_TEST_CASE(a_list_that_is_read_stays, fixture) {
  const auto read_on = first_page("m0", 0);
  const auto left = first_page("m1", 0);
  for (std::size_t i = 2; i <= lists_max; ++i) {
    BOOST_TEST(lists.find(read_on->id, read_on->module) == read_on);
    first_page("m" + std::to_string(i), 0);
  }
  BOOST_TEST(lists.find(read_on->id, read_on->module) == read_on);
  BOOST_TEST(lists.find(left->id, left->module) == nullptr);  // at the limit one has to go
}

BOOST_FIXTURE_TEST_CASE(a_list_in_the_making_holds_up_no_other_module_nor_who_has_an_older,
                        fixture) {
  const auto old = first_page("slow", 0);
  const auto now_ms = fresh_ms;
  std::promise<void> making, go_on;
  std::thread maker([&] {
    const auto made = lists.newest(module_named("slow"), mono_ms(now_ms), [&] {
      making.set_value();
      go_on.get_future().wait();
      return list_of(module_named("slow"), mono_ms(now_ms));
    });
    BOOST_TEST(made != old);
  });
  making.get_future().wait();
  BOOST_TEST(first_page("other", now_ms) != nullptr);
  BOOST_TEST(first_page("slow", now_ms) == old);
  go_on.set_value();
  maker.join();
  BOOST_TEST(first_page("slow", now_ms) != old);
}

BOOST_FIXTURE_TEST_CASE(one_that_cannot_be_made_is_tried_by_the_next, fixture) {
  const auto id = module_named("m");
  BOOST_CHECK_THROW(lists.newest(id, mono_ms{}, []() -> status_list { throw std::bad_alloc(); }),
                    std::bad_alloc);
  BOOST_TEST(first_page("m", 0) != nullptr);
}

BOOST_FIXTURE_TEST_CASE(a_reset_drops_the_lists_of_its_module, fixture) {
  const auto reset = first_page("m", 0);
  const auto other = first_page("n", 0);
  lists.drop(module_named("m"));
  BOOST_TEST(lists.find(reset->id, reset->module) == nullptr);
  BOOST_TEST(lists.find(other->id, other->module) == other);
  const auto during = lists.newest(module_named("o"), mono_ms{}, [&] {
    lists.drop(module_named("o"));
    return list_of(module_named("o"), mono_ms{});
  });
  BOOST_TEST(lists.find(during->id, during->module) == nullptr);
}

BOOST_FIXTURE_TEST_CASE(no_list_that_may_have_an_erased_student_stays, fixture) {
  const auto before = first_page("m", 0);
  const auto during = lists.newest(module_named("n"), mono_ms{}, [&] {
    lists.drop_all();
    return list_of(module_named("n"), mono_ms{});
  });
  BOOST_TEST(lists.find(before->id, before->module) == nullptr);
  BOOST_TEST(lists.find(during->id, during->module) == nullptr);
  BOOST_TEST(first_page("n", 0) != during);
}

BOOST_AUTO_TEST_SUITE_END()
