# The rooms of the tree (docs/architecture.md) as targets, and the arrows between them.
#
# All public headers live in one tree, include/varstored/<room>/. A compiler that was given
# include/ would accept any of them anywhere, so no target gets it. Each room has a folder of its
# own in the build tree instead, which holds nothing but a link to the room's public headers:
#
#   <build>/rooms/<room>/varstored/<room> -> include/varstored/<room>
#
# and only those who use the room get that folder. An include of a room that is not below does not
# compile.

# Room by room: the rooms just below it. It may use those and all that is below them.
set(VARSTORED_ROOMS base version efi crypto store live pcr engine health boot signer keys backend guest guest_xen sandbox daemon convert tool pool)
set(VARSTORED_BELOW_base)
set(VARSTORED_BELOW_version)
set(VARSTORED_BELOW_efi base)
set(VARSTORED_BELOW_crypto base)
set(VARSTORED_BELOW_store efi)
set(VARSTORED_BELOW_live store)
set(VARSTORED_BELOW_pcr store crypto)
set(VARSTORED_BELOW_engine store crypto)
set(VARSTORED_BELOW_health engine live)
set(VARSTORED_BELOW_boot health)
set(VARSTORED_BELOW_signer engine)
set(VARSTORED_BELOW_keys health signer)
set(VARSTORED_BELOW_backend store crypto version)
set(VARSTORED_BELOW_guest engine)
set(VARSTORED_BELOW_guest_xen guest)
set(VARSTORED_BELOW_sandbox base)
set(VARSTORED_BELOW_daemon guest backend sandbox live version)
set(VARSTORED_BELOW_convert store sandbox)
set(VARSTORED_BELOW_tool engine health backend convert live pcr version)
set(VARSTORED_BELOW_pool health tool)

# What a demonstration or an installation needs: all programs, no test.
add_custom_target(programs)

# Sets `out` to every room that `room` may use.
function(varstored_rooms_below room out)
  set(below)
  set(todo ${VARSTORED_BELOW_${room}})
  while(todo)
    list(POP_FRONT todo next)
    if(NOT next IN_LIST below)
      list(APPEND below ${next})
      list(APPEND todo ${VARSTORED_BELOW_${next}})
    endif()
  endwhile()
  set(${out} ${below} PARENT_SCOPE)
endfunction()

# Sets `out` to the targets of `rooms`. `user` is who asks, for the error.
function(varstored_room_targets user rooms out)
  set(targets)
  foreach(room IN LISTS rooms)
    if(NOT room IN_LIST VARSTORED_ROOMS)
      message(FATAL_ERROR "${user} uses '${room}', which is no room of the table in cmake/Rooms.cmake")
    endif()
    if(NOT TARGET varstored_${room})
      message(FATAL_ERROR "${user} uses the room ${room}, which is not built (no src/${room}/CMakeLists.txt?)")
    endif()
    list(APPEND targets varstored::${room})
  endforeach()
  set(${out} ${targets} PARENT_SCOPE)
endfunction()

# The arguments of one of the functions below, checked, as ARG_* of the caller.
macro(varstored_arguments function name one_value)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "" "${one_value}" "SOURCES;USES;LIBS")
  if(ARG_UNPARSED_ARGUMENTS OR NOT ARG_SOURCES)
    message(FATAL_ERROR "${function}(${name}): SOURCES are missing, or these are unknown: '${ARG_UNPARSED_ARGUMENTS}'")
  endif()
endmacro()

# varstored_room(<name> SOURCES file... [USES room...] [LIBS target...])
#
# The room <name> as the static library varstored_<name>, alias varstored::<name>. It sees the
# headers of its own source folder, its own public ones, and those of the rooms that it uses,
# directly or through another. LIBS are libraries from outside; they are not part of its interface.
function(varstored_room name)
  varstored_arguments(varstored_room ${name} "")
  if(NOT name IN_LIST VARSTORED_ROOMS)
    message(FATAL_ERROR "'${name}' is no room of the table in cmake/Rooms.cmake")
  endif()
  varstored_rooms_below(${name} below)
  foreach(used IN LISTS ARG_USES)
    if(NOT used IN_LIST below)
      list(JOIN below ", " allowed)
      message(FATAL_ERROR "the room ${name} uses '${used}', which is not below it; it may use: ${allowed}")
    endif()
  endforeach()
  varstored_room_targets("the room ${name}" "${ARG_USES}" used_targets)

  set(view ${PROJECT_BINARY_DIR}/rooms/${name})
  file(MAKE_DIRECTORY ${view}/varstored)
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/include/varstored/${name} ${view}/varstored/${name} SYMBOLIC)

  add_library(varstored_${name} STATIC ${ARG_SOURCES})
  add_library(varstored::${name} ALIAS varstored_${name})
  target_include_directories(varstored_${name} PUBLIC ${view} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(varstored_${name} PUBLIC ${used_targets} PRIVATE ${ARG_LIBS})
endfunction()

# The generated header varstored/version.h as the room `version`.
function(varstored_version)
  set(view ${PROJECT_BINARY_DIR}/rooms/version)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/version.h.in ${view}/varstored/version.h @ONLY)
  add_library(varstored_version INTERFACE)
  add_library(varstored::version ALIAS varstored_version)
  target_include_directories(varstored_version INTERFACE ${view})
endfunction()

# varstored_page(<name> <section> <component>)
#
# What is made of the page docs/tools/<name>.md (docs/tools/README.md): pages/<name>/page.h,
# man/<name>.<section> and completion/<name> in the build tree. The last two are installed with the
# package <component> (cmake/Packaging.cmake), unless that is empty.
function(varstored_page name section component)
  set(page ${PROJECT_SOURCE_DIR}/docs/tools/${name}.md)
  set(make_page ${PROJECT_SOURCE_DIR}/tools/pages/make_page.py)
  set(header ${PROJECT_BINARY_DIR}/pages/${name}/page.h)
  set(man ${PROJECT_BINARY_DIR}/man/${name}.${section})
  set(completion ${PROJECT_BINARY_DIR}/completion/${name})
  file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/pages/${name} ${PROJECT_BINARY_DIR}/man
    ${PROJECT_BINARY_DIR}/completion)
  add_custom_command(OUTPUT ${header} ${man} ${completion}
    COMMAND ${Python3_EXECUTABLE} ${make_page} header ${page} > ${header}
    COMMAND ${Python3_EXECUTABLE} ${make_page} man ${page} ${PROJECT_VERSION} ${section} > ${man}.md
    COMMAND ${LOWDOWN} -s -Tman --out-no-smarty -o ${man} ${man}.md
    COMMAND ${Python3_EXECUTABLE} ${make_page} completion ${page} > ${completion}
    DEPENDS ${page} ${make_page}
    COMMENT "Page of ${name}"
    VERBATIM)
  add_custom_target(page_${name} DEPENDS ${header} ${man} ${completion})
  add_dependencies(programs page_${name})
  if(component)
    install(FILES ${man} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section} COMPONENT ${component})
    install(FILES ${completion} DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
      COMPONENT ${component})
  endif()
endfunction()

# varstored_program(<name> SOURCES file... [USES room...] [LIBS target...] [INSTALL folder])
#
# The executable <name>, left in <build>/bin; installed when a folder is given (relative to the
# prefix, such as ${CMAKE_INSTALL_SBINDIR}), and then part of a package: what is for sbin of varstored,
# all else of varstored-tools. It finds what is made of its page docs/tools/<name>.md,
# when that is there, as "page.h".
function(varstored_program name)
  varstored_arguments(varstored_program ${name} "INSTALL")
  varstored_room_targets("the program ${name}" "${ARG_USES}" used_targets)
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${used_targets} ${ARG_LIBS})
  if(VARSTORED_STATIC)
    target_sources(${name} PRIVATE ${PROJECT_SOURCE_DIR}/tools/static/no_host_libraries.cc)
  endif()
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
  add_dependencies(programs ${name})
  set(section 1)
  set(component)
  if(ARG_INSTALL STREQUAL CMAKE_INSTALL_SBINDIR)
    set(section 8)
    set(component varstored)
  elseif(ARG_INSTALL)
    set(component varstored-tools)
  endif()
  if(component)
    install(TARGETS ${name} RUNTIME DESTINATION ${ARG_INSTALL} COMPONENT ${component})
  endif()
  if(EXISTS ${PROJECT_SOURCE_DIR}/docs/tools/${name}.md)
    varstored_page(${name} ${section} "${component}")
    target_include_directories(${name} PRIVATE ${PROJECT_BINARY_DIR}/pages/${name})
    add_dependencies(${name} page_${name})
  endif()
endfunction()

# varstored_test(<name> SOURCES file... [USES room...] [LIBS target...] [SHARDS count])
#
# The GoogleTest executable <name>_test. Each of its tests is the CTest test <name>.Suite.Test. With a sanitizer a start
# takes longer than most tests do, so there it is one CTest test <name>, or `count` of them that share the tests
# (<name>.1, ...); what each single test did is in <build>/unit_tests/<CTest's name>.xml, which tools/run_tests counts.
# What is tested is compiled as it is shipped; the test's own files are not optimised, which halves what they take to
# compile.
function(varstored_test name)
  varstored_arguments(varstored_test ${name} "SHARDS")
  varstored_room_targets("the test ${name}" "${ARG_USES}" used_targets)
  add_executable(${name}_test ${ARG_SOURCES})
  target_link_libraries(${name}_test PRIVATE ${used_targets} ${ARG_LIBS} GTest::gtest_main)
  target_compile_options(${name}_test PRIVATE -O0)
  if(NOT VARSTORED_SANITIZE)
    gtest_discover_tests(${name}_test
      TEST_PREFIX ${name}.
      DISCOVERY_MODE PRE_TEST
      DISCOVERY_TIMEOUT 60
      PROPERTIES TIMEOUT 180)
    return()
  endif()
  if(NOT ARG_SHARDS)
    set(ARG_SHARDS 1)
  endif()
  foreach(shard RANGE 1 ${ARG_SHARDS})
    set(test ${name})
    if(ARG_SHARDS GREATER 1)
      string(APPEND test .${shard})
    endif()
    math(EXPR index "${shard} - 1")
    add_test(NAME ${test} COMMAND ${name}_test --gtest_output=xml:${PROJECT_BINARY_DIR}/unit_tests/${test}.xml)
    set_tests_properties(${test} PROPERTIES
      TIMEOUT 1200 ENVIRONMENT "GTEST_TOTAL_SHARDS=${ARG_SHARDS};GTEST_SHARD_INDEX=${index}")
  endforeach()
endfunction()
