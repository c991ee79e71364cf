#define BOOST_TEST_MODULE watchkeeper
#include <boost/test/unit_test.hpp>
