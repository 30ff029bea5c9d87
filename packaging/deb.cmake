# `cpack -G DEB`: staffetta, staffetta-dev and, where it is built, staffetta-winreg.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME staffetta)
set(CPACK_PACKAGE_CONTACT "The Staffetta authors <staffetta@localhost>" CACHE STRING "Who makes the packages")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL program dev)
if(TARGET staffetta-winreg)
    list(APPEND CPACK_COMPONENTS_ALL winreg)
endif()
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_DEBUGINFO_PACKAGE OFF)

set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME staffetta)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SHLIBDEPS ON)
# Opened or started when a command needs them: who only looks at a journal needs none.
set(CPACK_DEBIAN_PROGRAM_PACKAGE_RECOMMENDS "libmnl0, libpcap0.8, libssh-4, nftables, iproute2, openssh-client")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SUGGESTS "staffetta-winreg, charon-systemd, strongswan-swanctl, keepalived")
set(CPACK_COMPONENT_PROGRAM_DESCRIPTION
    "Rolls IPsec policy out to the servers in front of failover clusters, proves it\non the wire, measures what a \
failover costs, and puts every host back when a\ncheck fails.")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_CONTROL_EXTRA
    "${CMAKE_CURRENT_SOURCE_DIR}/debian/postinst;${CMAKE_CURRENT_SOURCE_DIR}/debian/postrm")

set(CPACK_DEBIAN_DEV_PACKAGE_NAME staffetta-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS
    "libjansson-dev, liblua5.4-dev, lua-filesystem-dev, libuv1-dev, libsqlite3-dev, libmd-dev, libyaml-dev, pkg-config")
set(CPACK_COMPONENT_DEV_DESCRIPTION
    "Library and header to embed Staffetta in a program, or to give it a binding of\none's own.")

set(CPACK_DEBIAN_WINREG_PACKAGE_NAME staffetta-winreg)
set(CPACK_DEBIAN_WINREG_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_WINREG_PACKAGE_DEPENDS "staffetta (= ${PROJECT_VERSION}-1)")
set(CPACK_COMPONENT_WINREG_DESCRIPTION
    "Helper of Staffetta that reaches the registries of other Windows hosts, by\nSamba's \
libraries and under their licence.")

# Debian's own papers of each package; what has changed is in the tree's change log.
foreach(component ${CPACK_COMPONENTS_ALL})
    string(TOUPPER ${component} upper)
    set(doc ${CMAKE_INSTALL_DATADIR}/doc/${CPACK_DEBIAN_${upper}_PACKAGE_NAME})
    set(copyright debian/copyright)
    if(component STREQUAL winreg)
        set(copyright debian/copyright.winreg)
    endif()
    install(FILES ${copyright} DESTINATION ${doc} COMPONENT ${component} RENAME copyright)
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/changelog.gz ${CMAKE_CURRENT_BINARY_DIR}/changelog.Debian.gz
            DESTINATION ${doc} COMPONENT ${component})
endforeach()
install(FILES debian/staffetta.lintian-overrides DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides COMPONENT program
        RENAME staffetta)
find_program(GZIP gzip REQUIRED)
string(TIMESTAMP packaged_at "%a, %d %b %Y %H:%M:%S +0000" UTC) # heeds SOURCE_DATE_EPOCH
configure_file(debian/changelog.in changelog @ONLY)
foreach(paper "changelog.gz ${PROJECT_SOURCE_DIR}/CHANGELOG.md"
              "changelog.Debian.gz ${CMAKE_CURRENT_BINARY_DIR}/changelog")
    separate_arguments(paper UNIX_COMMAND "${paper}")
    list(GET paper 0 packed)
    list(GET paper 1 plain)
    add_custom_command(OUTPUT ${packed} COMMAND ${GZIP} -9nc ${plain} > ${packed} DEPENDS ${plain} VERBATIM)
    list(APPEND papers ${CMAKE_CURRENT_BINARY_DIR}/${packed})
endforeach()
add_custom_target(papers ALL DEPENDS ${papers})

set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_SOURCE_DIR}/finish_tree.cmake)
include(CPack)
