#include <boost/test/unit_test.hpp>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "crypto/device_signer.hpp"
#include "crypto/es256.hpp"
#include "crypto/key_table_cache.hpp"
#include "crypto/p256.hpp"
#include "crypto/p256_fast.hpp"
#include "crypto/signature_verifier.hpp"
#include "tests/crypto/p256_support.hpp"

using namespace watchkeeper;
using namespace watchkeeper::crypto;
using namespace watchkeeper::crypto::p256;
using namespace watchkeeper::test;

namespace {

using key_bytes = std::array<std::uint8_t, 64>;

/// As many keys as wanted, quickly: G, 2 G, 3 G, …
std::vector<key_bytes> keys(std::size_t count) {
  std::vector<jacobian_point> points{to_jacobian(base_point)};
  while (points.size() < count)
    points.push_back(points.size() == 1 ? doubled(points[0])
                                        : sum(points.back(), base_point, false));
  std::vector<affine_point> affine(count);
  to_affine(points, affine);
  std::vector<key_bytes> made(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto x = big_endian(field::to_words(affine[i].x));
    const auto y = big_endian(field::to_words(affine[i].y));
    std::copy(x.begin(), x.end(), made[i].begin());
    std::copy(y.begin(), y.end(), made[i].begin() + 32);
  }
  return made;
}

/// What a verification does: whether there was a table.
bool visit(key_table_cache& cache, const key_bytes& key) {
  if (cache.find(key)) return true;
  cache.verified(key);
  return false;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(key_tables, *boost::unit_test::precondition(processor_has_it))

BOOST_AUTO_TEST_CASE(a_table_is_made_at_the_second_verification) {
  key_table_cache cache{16};
  const auto all = keys(3);
  BOOST_TEST(!visit(cache, all[0]));
  BOOST_TEST(cache.size() == 0u);
  BOOST_TEST(!visit(cache, all[0]));
  BOOST_TEST(cache.size() == 1u);
  const auto table = cache.find(all[0]);
  BOOST_REQUIRE(table);
  affine_point point;
  BOOST_REQUIRE(read_point(all[0], point));
  key_table wanted;
  make_table(point, wanted);
  BOOST_TEST(table->points == wanted.points);
  BOOST_TEST(!cache.find(all[1]));
}

BOOST_AUTO_TEST_CASE(a_point_and_its_opposite_are_two_keys) {
  key_table_cache cache{16};
  affine_point point;
  const auto key = keys(1)[0];
  BOOST_REQUIRE(read_point(key, point));
  auto opposite = key;
  const auto y = big_endian(field::to_words(field::negate(point.y)));
  std::copy(y.begin(), y.end(), opposite.begin() + 32);
  for (int i = 0; i < 2; ++i) {
    visit(cache, key);
    visit(cache, opposite);
  }
  BOOST_REQUIRE(cache.find(key));
  BOOST_REQUIRE(cache.find(opposite));
  BOOST_TEST(cache.find(key)->points[0].y != cache.find(opposite)->points[0].y);
}

BOOST_AUTO_TEST_CASE(no_more_than_the_limit) {
  for (const std::size_t limit :
       {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{64}, std::size_t{1'000}}) {
    key_table_cache cache{limit};
    const auto all = keys(3 * limit + 10);
    for (const auto& key : all)
      for (int i = 0; i < 3; ++i) visit(cache, key);
    BOOST_TEST(cache.size() <= limit);
    // Stripes fill at different speeds, but three times as many keys fill them all.
    BOOST_TEST(cache.size() == limit);
    BOOST_TEST(cache.tables_max() == limit);
  }
}

BOOST_AUTO_TEST_CASE(the_longest_unused_goes) {
  key_table_cache cache{4};  // one stripe
  const auto all = keys(6);
  for (std::size_t i = 0; i < 4; ++i)
    for (int twice = 0; twice < 2; ++twice) visit(cache, all[i]);
  BOOST_TEST(cache.size() == 4u);
  BOOST_TEST(visit(cache, all[0]));
  for (int i = 0; i < 2; ++i) visit(cache, all[4]);
  BOOST_TEST(!cache.find(all[1]));
  for (const std::size_t kept : {0u, 2u, 3u, 4u}) BOOST_TEST(cache.find(all[kept]) != nullptr);
}

// All of them in turn, twice as many as there is room for: who has a table keeps it.
BOOST_AUTO_TEST_CASE(more_keys_than_room_do_not_drive_each_other_out) {
  key_table_cache cache{512};
  const auto all = keys(1'024);
  std::size_t hits = 0;
  for (int round = 0; round < 10; ++round) {
    hits = 0;
    for (const auto& key : all) hits += visit(cache, key) ? 1 : 0;
  }
  // How evenly the stripes fill is chance; giving up the oldest each time would leave no hit at
  // all.
  BOOST_TEST(hits > 256u);
  BOOST_TEST(cache.size() <= 512u);
}

// When other keys come, they get the room of those that are gone.
BOOST_AUTO_TEST_CASE(a_new_set_of_keys_takes_over) {
  key_table_cache cache{256};
  const auto all = keys(400);
  for (int round = 0; round < 5; ++round)
    for (std::size_t i = 0; i < 200; ++i) visit(cache, all[i]);
  std::size_t hits = 0;
  for (int round = 0; round < 5; ++round) {
    hits = 0;
    for (std::size_t i = 200; i < 400; ++i) hits += visit(cache, all[i]) ? 1 : 0;
  }
  // Most of them; how evenly the stripes fill is chance. Had the old ones kept their room it would
  // be 56.
  BOOST_TEST(hits > 110u);
}

BOOST_AUTO_TEST_CASE(a_key_off_the_curve_gets_no_table) {
  key_table_cache cache{4};
  auto key = keys(1)[0];
  key[0] ^= 1;
  for (int i = 0; i < 3; ++i) visit(cache, key);
  BOOST_TEST(cache.size() == 0u);
}

// Tables come and go in all threads at once; who holds one may use it on.
BOOST_AUTO_TEST_CASE(threads_share_a_small_cache) {
  key_table_cache cache{8};
  struct signed_key {
    key_bytes point;
    sha256_digest digest;
    raw_signature signature;
  };
  std::vector<signed_key> all(32);
  for (auto& one : all) {
    private_key secret{};
    generate(secret, one.point);
    one.digest = sha256("m");
    one.signature = sign(secret, one.digest);
  }
  std::atomic<int> wrong{0}, tabled{0};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 random{t};
      for (int i = 0; i < 2'000; ++i) {
        const auto& one = all[random() % (i % 2 == 0 ? all.size() : 4)];
        const auto table = cache.find(one.point);
        if (!table) {
          cache.verified(one.point);
          continue;
        }
        ++tabled;
        auto bad = one.signature;
        bad[random() % 64] ^= 1;
        if (!verify_fast(*table, one.digest, one.signature)) ++wrong;
        if (verify_fast(*table, one.digest, bad)) ++wrong;
      }
    });
  for (auto& thread : threads) thread.join();
  BOOST_TEST(wrong == 0);
  BOOST_TEST(tabled > 100);
  BOOST_TEST(cache.size() <= 8u);
}

// Through the class that the gateway uses: the first times without a table, then with one.
BOOST_AUTO_TEST_CASE(forged_signatures_count_for_nothing) {
  const auto signer = device_signer::generate(signature_algorithm::es256);
  const signature_verifier verifier{signer.public_key()};
  const auto good = signer.sign("m");
  auto bad = good;
  bad[40] ^= 1;
  const auto before = es256::tables_cached();
  for (int i = 0; i < 5; ++i) BOOST_TEST(!verifier.verify("m", bad));
  BOOST_TEST(es256::tables_cached() == before);
  BOOST_TEST(verifier.verify("m", good));
  BOOST_TEST(es256::tables_cached() == before);
  BOOST_TEST(verifier.verify("m", good));
  BOOST_TEST(es256::tables_cached() == before + 1);
  BOOST_TEST(verifier.verify("m", good));
  BOOST_TEST(!verifier.verify("m", bad));
  BOOST_TEST(es256::tables_cached() == before + 1);
}

BOOST_AUTO_TEST_SUITE_END()
