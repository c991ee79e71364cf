# Compiler settings shared by every target, and the two functions that make one: a folder is a target.

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

# CMake's own -O3 takes a fifth longer to compile and serves a heartbeat no sooner.
foreach(language C CXX)
  set(CMAKE_${language}_FLAGS_RELEASE "-O2 -DNDEBUG")
endforeach()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # Without the first, ccache leaves alone what uses a precompiled header; the next two let clones in
  # different folders share their objects. With the last a file that is not there yet is compiled
  # only, and not preprocessed before: a first build takes no longer for the cache.
  set(ccache_launcher "${CMAKE_COMMAND}" -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}" CCACHE_NOHASHDIR=1 CCACHE_DEPEND=1 "${CCACHE_PROGRAM}")
  set(CMAKE_CXX_COMPILER_LAUNCHER "${ccache_launcher}")
  set(CMAKE_C_COMPILER_LAUNCHER "${ccache_launcher}")
endif()

add_library(project_options INTERFACE)
target_include_directories(project_options INTERFACE "${CMAKE_SOURCE_DIR}" "${CMAKE_BINARY_DIR}/generated")
target_compile_options(project_options INTERFACE
  -Wall -Wextra -Wpedantic $<$<NOT:$<BOOL:$<TARGET_PROPERTY:WATCHKEEPER_IS_TEST>>>:-Wshadow> -Wconversion -Wno-sign-conversion -Werror
  # GCC 12 reports these for correct library code that it inlined.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread -Wno-restrict>
  # A struct with defaults is made with the members that matter named.
  -Wno-missing-field-initializers
  # A precompiled header is found by its checksum, so that ccache may serve it.
  $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
find_program(LLD_PROGRAM ld.lld)
if(LLD_PROGRAM)
  target_link_options(project_options INTERFACE -fuse-ld=lld)
endif()
if(WATCHKEEPER_SANITIZE STREQUAL "thread")
  # The fences are those of Boost, which GCC's sanitizer passes over.
  target_compile_options(project_options INTERFACE
    -O1 -g1 -fsanitize=thread -fno-omit-frame-pointer $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
  target_link_options(project_options INTERFACE -fsanitize=thread)
elseif(WATCHKEEPER_SANITIZE)
  target_compile_options(project_options INTERFACE
    -O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
    $<$<BOOL:$<TARGET_PROPERTY:WATCHKEEPER_LIGHT>>:-fno-sanitize=undefined>)
  target_link_options(project_options INTERFACE -fsanitize=address,undefined)
endif()

# watchkeeper_unity(<target>)
# Compiles the target's files twelve at a time: much of the time goes to headers, which are read once for
# all of them. Files with definitions of their own, and those with SKIP_UNITY_BUILD_INCLUSION, stay by
# themselves; both have to be set before. CMake's own UNITY_BUILD names files by their whole path,
# so that no clone could use what another one has compiled.
option(WATCHKEEPER_UNITY "Compile several files at a time; off, a change of one compiles that one" ON)
function(watchkeeper_unity target)
  if(NOT WATCHKEEPER_UNITY)
    return()
  endif()
  get_target_property(sources ${target} SOURCES)
  set(together)
  foreach(source IN LISTS sources)
    cmake_path(ABSOLUTE_PATH source)
    cmake_path(IS_PREFIX CMAKE_BINARY_DIR "${source}" generated)
    get_source_file_property(alone "${source}" SKIP_UNITY_BUILD_INCLUSION)
    get_source_file_property(definitions "${source}" COMPILE_DEFINITIONS)
    if(source MATCHES "\\.cpp$" AND NOT generated AND NOT alone AND NOT definitions)
      list(APPEND together "${source}")
    endif()
  endforeach()
  set_source_files_properties(${together} PROPERTIES HEADER_FILE_ONLY ON)
  set(number 0)
  while(together)
    set(text "")
    foreach(_ RANGE 1 12)
      list(POP_FRONT together source)
      if(source)
        cmake_path(RELATIVE_PATH source BASE_DIRECTORY "${CMAKE_SOURCE_DIR}")
        string(APPEND text "#include \"${source}\"\n")
      endif()
    endforeach()
    set(file "${CMAKE_CURRENT_BINARY_DIR}/${target}_${number}.cpp")
    file(CONFIGURE OUTPUT "${file}" CONTENT "${text}" @ONLY)
    target_sources(${target} PRIVATE "${file}")
    math(EXPR number "${number} + 1")
  endwhile()
  # A file of ours is included once, here: what the warning is about cannot happen.
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
endfunction()

# watchkeeper_library(<folder> [targets it links to publicly ...])
# Makes the library watchkeeper_<folder> of every .cpp in the folder and below it.
function(watchkeeper_library name)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*.cpp")
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  if(sources)
    add_library(watchkeeper_${name} STATIC ${sources})
    target_link_libraries(watchkeeper_${name} PUBLIC project_options ${ARGN})
  else()
    add_library(watchkeeper_${name} INTERFACE)
    target_link_libraries(watchkeeper_${name} INTERFACE project_options ${ARGN})
  endif()
endfunction()

# watchkeeper_test(<folder> [targets ...])
# Makes the Boost.Test program <folder>_test of every .cpp in tests/<folder> and below it; a slash in the
# folder becomes an underscore in the name.
function(watchkeeper_test folder)
  string(REPLACE "/" "_" name "${folder}")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cpp")
  if(NOT sources)
    return()
  endif()
  add_executable(${name}_test ${sources} test_main.cpp)
  # Compiled together, what one file of tests names hides what another one does.
  set_target_properties(${name}_test PROPERTIES WATCHKEEPER_IS_TEST ON)
  target_link_libraries(${name}_test PRIVATE project_options ${ARGN})
  target_compile_definitions(${name}_test PRIVATE BOOST_TEST_DYN_LINK)
  # A file of tests takes twice as long to compile when it is optimised, and with sanitizers four
  # times. What it tests is, either way. Not so those of the domain: they hold slow references, which
  # would take minutes, and much of the domain is in headers.
  if(NOT name STREQUAL "domain")
    target_compile_options(${name}_test PRIVATE
      $<IF:$<BOOL:${WATCHKEEPER_SANITIZE}>,-O0,-O1>)
    set_target_properties(${name}_test PROPERTIES WATCHKEEPER_LIGHT ON)
  endif()
  # Only what reads files of the tree is told where it is: the rest compiles alike in every clone.
  # (A source that begins to do so must be looked at anew.)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${sources})
  foreach(source IN LISTS sources)
    file(STRINGS "${source}" mentions REGEX "WATCHKEEPER_SOURCE_DIR|\"[^\"]*vectors.hpp\"" LIMIT_COUNT 1)
    if(mentions)
      set_source_files_properties("${source}" PROPERTIES
        COMPILE_DEFINITIONS "WATCHKEEPER_SOURCE_DIR=\"${CMAKE_SOURCE_DIR}\"")
    endif()
  endforeach()
  target_link_libraries(${name}_test PRIVATE boost_unit_test_framework)
  # With the second, failed checks say what they saw.
  target_precompile_headers(${name}_test PRIVATE <boost/test/unit_test.hpp> <tests/support/printers.hpp>)
  # The module's main is made by a macro that must come before the header.
  set_source_files_properties(test_main.cpp PROPERTIES SKIP_PRECOMPILE_HEADERS ON SKIP_UNITY_BUILD_INCLUSION ON)
  watchkeeper_unity(${name}_test)
  add_test(NAME ${name} COMMAND ${name}_test)
  set_tests_properties(${name} PROPERTIES TIMEOUT 1800)
endfunction()
