# Run by CPack when the files of the packages stand ready. Libraries of Xen have no list of symbols with versions, and
# dpkg-shlibdeps would ask for the point release that is installed here. It reads this file first.
if(NOT CPACK_GENERATOR STREQUAL DEB)
  return()
endif()
file(GLOB programs ${CPACK_TEMPORARY_DIRECTORY}/*/usr)
foreach(folder ${programs})
  get_filename_component(package ${folder} DIRECTORY)
  file(COPY ${CMAKE_CURRENT_LIST_DIR}/../packaging/deb/shlibs.local DESTINATION ${package}/debian)
endforeach()
