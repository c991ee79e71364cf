#include <boost/test/unit_test.hpp>

#include "tests/storage/ledger_fixtures.hpp"

namespace watchkeeper::test {
using namespace storage;

BOOST_AUTO_TEST_SUITE(ledger_console)

BOOST_AUTO_TEST_CASE_TEMPLATE(ended_sessions_stay_until_their_end, Place, places) {
  Place place;
  const auto one = make_migrated(place);
  const auto two = place.make();
  const revoked_login first{{1, 2, 3}, wall_ms{1'000}};
  const revoked_login second{{0xff, 0, 9}, wall_ms{5'000}};
  BOOST_TEST(need(two->revoked_logins(wall_ms{0}, 10)).empty());
  need(one->revoke_logins(std::array{first, second}, wall_ms{0}));
  need(two->revoke_logins({&second, 1}, wall_ms{0}));  // once more
  auto found = need(two->revoked_logins(wall_ms{0}, 10));
  BOOST_REQUIRE_EQUAL(found.size(), 2u);
  BOOST_TEST(found[0].id == second.id);
  BOOST_TEST(found[0].expires_ms == wall_ms{5'000});
  BOOST_TEST(found[1].id == first.id);
  BOOST_TEST(need(two->revoked_logins(wall_ms{0}, 1)).size() == 1u);
  BOOST_TEST(need(two->revoked_logins(wall_ms{1'000}, 10)).size() == 1u);
  // A write forgets what is over.
  need(one->revoke_logins({}, wall_ms{1'000}));
  BOOST_TEST(need(two->revoked_logins(wall_ms{0}, 10)).size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace watchkeeper::test
