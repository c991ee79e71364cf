#include "client/der_signature.hpp"

#include <boost/test/unit_test.hpp>
BOOST_AUTO_TEST_SUITE(der)
BOOST_AUTO_TEST_SUITE_END()
