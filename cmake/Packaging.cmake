# What the packages hold and say: docs/packaging.md. `make package` makes a .deb of the preset release
# and an .rpm of the preset dom0.

set(VARSTORED_PACKAGER "The varstored authors <varstored@users.noreply.invalid>" CACHE STRING
    "Who is named as the packages' maintainer")
set(packaging ${PROJECT_SOURCE_DIR}/packaging)

# Not by `make install`, which must not touch an administrator's configuration.
function(varstored_package_file component folder file)
  install(FILES ${file} DESTINATION ${folder} COMPONENT ${component} EXCLUDE_FROM_ALL ${ARGN})
endfunction()

varstored_package_file(varstored ${CMAKE_INSTALL_FULL_SYSCONFDIR} ${packaging}/varstored.conf)
install(DIRECTORY DESTINATION ${CMAKE_INSTALL_DATADIR}/varstored COMPONENT varstored EXCLUDE_FROM_ALL)
foreach(component varstored varstored-tools)
  varstored_package_file(${component} ${CMAKE_INSTALL_DATADIR}/doc/${component} ${packaging}/deb/copyright)
endforeach()
# The static programs become an .rpm, which has its changelog in the header.
if(NOT VARSTORED_STATIC)
  set(changelog ${PROJECT_BINARY_DIR}/changelog.Debian.gz)
  execute_process(COMMAND gzip -9nc ${packaging}/deb/changelog OUTPUT_FILE ${changelog})
  foreach(component varstored varstored-tools)
    varstored_package_file(${component} ${CMAKE_INSTALL_DATADIR}/doc/${component} ${changelog})
  endforeach()
  # Where Debian looks for it; CHANGELOG.md is there for the links of the pages.
  set(changes ${PROJECT_BINARY_DIR}/changelog.gz)
  execute_process(COMMAND gzip -9nc ${PROJECT_SOURCE_DIR}/CHANGELOG.md OUTPUT_FILE ${changes})
  varstored_package_file(varstored ${CMAKE_INSTALL_DATADIR}/doc/varstored ${changes})
  varstored_package_file(varstored-tools ${CMAKE_INSTALL_DATADIR}/lintian/overrides
    ${packaging}/lint/varstored-tools.lintian-overrides RENAME varstored-tools)
endif()

# The scripts of the packages are put together of the same parts.
file(READ ${packaging}/state-folder.sh STATE_FOLDER)
file(READ ${packaging}/state-folder-left.sh STATE_FOLDER_LEFT)
file(READ ${packaging}/reload-units.sh RELOAD_UNITS)
set(scripts ${PROJECT_BINARY_DIR}/packaging)
file(COPY ${packaging}/deb/conffiles DESTINATION ${scripts}/deb)
foreach(script deb/postinst deb/postrm)
  configure_file(${packaging}/${script}.in ${scripts}/${script} @ONLY
    FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
endforeach()
foreach(script rpm/posttrans rpm/postun)
  configure_file(${packaging}/${script}.in ${scripts}/${script} @ONLY)
endforeach()

set(CPACK_PACKAGE_NAME varstored)
set(CPACK_PACKAGE_CONTACT "${VARSTORED_PACKAGER}")
set(CPACK_PACKAGE_VENDOR "The varstored authors")
set(CPACK_COMPONENTS_ALL varstored varstored-tools)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/compress_pages.cmake ${PROJECT_SOURCE_DIR}/cmake/loose_depends.cmake)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")  # each package has its own
set(summary_varstored "UEFI variable store for Xen guests")
set(text_varstored
"One small process for each guest keeps its UEFI variables out of the
guest's reach and checks the signatures of Secure Boot. It takes the
place of the daemon of the same name that comes with XCP-ng and
XenServer, and serves guests of xl as well.")
set(summary_varstored-tools "UEFI variables of Xen guests: tools")
set(text_varstored-tools
"Programs that XAPI and administrators call: they list, change, check,
repair and convert the UEFI variables that varstored keeps for a Xen
guest, and sign updates of Secure Boot keys.")

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 0upstream1)  # a distribution's first one is newer
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_VARSTORED_PACKAGE_RECOMMENDS varstored-tools)
# For varstore keys make --download.
set(CPACK_DEBIAN_VARSTORED-TOOLS_PACKAGE_RECOMMENDS "curl, ca-certificates")
set(CPACK_DEBIAN_VARSTORED_PACKAGE_CONTROL_EXTRA
    "${scripts}/deb/conffiles;${scripts}/deb/postinst;${scripts}/deb/postrm")

set(CPACK_RPM_COMPONENT_INSTALL ON)
set(CPACK_RPM_MAIN_COMPONENT varstored)
set(CPACK_RPM_FILE_NAME RPM-DEFAULT)
set(CPACK_RPM_PACKAGE_RELEASE 1)
# XenServer and XCP-ng have packages of these names with higher versions. These replace them, and an
# update of the host does not take that back by itself.
set(CPACK_RPM_PACKAGE_EPOCH 1)
set(CPACK_RPM_PACKAGE_LICENSE "BSD-2-Clause AND MIT")
set(CPACK_RPM_PACKAGE_GROUP "System Environment/Daemons")
set(CPACK_RPM_PACKAGE_AUTOREQ OFF)  # static programs
set(CPACK_RPM_PACKAGE_AUTOPROV OFF)
set(CPACK_RPM_CHANGELOG_FILE ${packaging}/rpm/changelog)
# What the rpm of dom0 (4.11) can read.
set(CPACK_RPM_COMPRESSION_TYPE xz)
# Both: one that may be moved makes its links by a script.
set(CPACK_PACKAGE_RELOCATABLE OFF)
set(CPACK_RPM_PACKAGE_RELOCATABLE OFF)
set(CPACK_RPM_SPEC_MORE_DEFINE "%define _build_id_links none
%define _buildhost localhost
%define packager ${VARSTORED_PACKAGER}")
set(CPACK_RPM_VARSTORED_USER_FILELIST "%config(noreplace) ${CMAKE_INSTALL_FULL_SYSCONFDIR}/varstored.conf")
set(CPACK_RPM_VARSTORED_PRE_INSTALL_SCRIPT_FILE ${packaging}/rpm/pre.sh)
set(CPACK_RPM_VARSTORED_POST_TRANS_SCRIPT_FILE ${scripts}/rpm/posttrans)
set(CPACK_RPM_VARSTORED_POST_UNINSTALL_SCRIPT_FILE ${scripts}/rpm/postun)
set(CPACK_RPM_EXCLUDE_FROM_AUTO_FILELIST_ADDITION
    /usr/sbin /usr/share/man /usr/share/man/man1 /usr/share/man/man8 /usr/share/bash-completion
    /usr/share/bash-completion/completions /usr/lib/systemd /usr/lib/systemd/system /opt /opt/xensource
    /opt/xensource/libexec)

foreach(component ${CPACK_COMPONENTS_ALL})
  string(TOUPPER ${component} upper)
  set(CPACK_COMPONENT_${upper}_DESCRIPTION "${text_${component}}")
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${component})
  set(CPACK_DEBIAN_${upper}_DESCRIPTION "${summary_${component}}\n${text_${component}}")
  set(CPACK_RPM_${upper}_PACKAGE_NAME ${component})
  set(CPACK_RPM_${upper}_PACKAGE_SUMMARY "${summary_${component}}")
  set(CPACK_RPM_${upper}_PACKAGE_DESCRIPTION "${text_${component}}")
endforeach()
include(CPack)
