#include <sys/stat.h>

#include <iostream>

#include "server/app/app.hpp"
#include "server/cli/cli.hpp"
#include "tools/fleet/fleet.hpp"
#include "tools/top/top.hpp"

int main(int argc, char** argv) {
  using namespace watchkeeper;
  // The files that it writes say who watched what: other users must not read them.
  ::umask(::umask(0) | S_IRWXO | S_IWGRP);
  server::command_handlers handlers{
      .serve = server::serve,
      .fleet = fleet::run_fleet,
      .top = top::run_top,
      .time = system_time_source(),
      .environment = server::watchkeeper_environment(),
      .out = std::cout,
      .err = std::cerr,
  };
  return server::run_command_line(argc, argv, handlers);
}
