# Embeds console/dist, where `scripts/build-console` has put the built console. Node.js packs it: the
# one that the scripts have installed, or else the machine's, of any age. Without a console the program says at
# /console/ how to get it.
set(console_out "${CMAKE_BINARY_DIR}/generated/console")
file(MAKE_DIRECTORY "${console_out}")
if(NODE_PROGRAM AND NOT EXISTS "${NODE_PROGRAM}")
  unset(NODE_PROGRAM CACHE)
endif()
file(GLOB installed_node "${CMAKE_SOURCE_DIR}/build/toolchain/node-*/bin")
find_program(NODE_PROGRAM node HINTS ${installed_node})
# Asked again at every build: it may have been built since.
file(GLOB_RECURSE console_files CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/console/dist/*")

if(NODE_PROGRAM AND "${CMAKE_SOURCE_DIR}/console/dist/index.html" IN_LIST console_files)
  enable_language(ASM)
  add_custom_command(
    OUTPUT "${console_out}/console_assets.S" "${console_out}/console_table.cpp"
    COMMAND "${NODE_PROGRAM}" "${CMAKE_SOURCE_DIR}/cmake/embed-console.mjs"
      "${CMAKE_SOURCE_DIR}/console/dist" "${console_out}"
    # Written only where they change, so their times may be old: a newer one says that we were here.
    COMMAND "${CMAKE_COMMAND}" -E touch "${console_out}/console_assets.S" "${console_out}/console_table.cpp"
    DEPENDS ${console_files} "${CMAKE_SOURCE_DIR}/cmake/embed-console.mjs"
    COMMENT "Embedding the console" VERBATIM)
  set_source_files_properties("${console_out}/console_assets.S" PROPERTIES
    LANGUAGE ASM INCLUDE_DIRECTORIES "${console_out}" COMPILE_OPTIONS "-Wa,-I${console_out}")
  target_sources(watchkeeper_server PRIVATE
    "${console_out}/console_assets.S" "${console_out}/console_table.cpp")
else()
  message(STATUS "The console is not built (scripts/build-console): the program comes without it")
  file(CONFIGURE OUTPUT "${console_out}/no_console.cpp" CONTENT
"#include \"server/console/assets.hpp\"
namespace watchkeeper::server {
std::span<const console_asset> console_assets() noexcept {
  return {};
}
}  // namespace watchkeeper::server
")
  target_sources(watchkeeper_server PRIVATE "${console_out}/no_console.cpp")
endif()
