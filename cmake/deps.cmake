# Debian 12's libraries. Linked statically where Debian ships an archive: each shared library costs the start of every
# command 0.2 to 0.4 ms, and start-up is to stay that of plain Lua. libmnl and libpcap have no archive, libssh's needs
# shared libraries itself: they are opened when a command needs them (bindings/common/dl.h).
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(stf_static_library target archive)
    cmake_parse_arguments(ARG "" "HEADER" "INCLUDES;LINK" ${ARGN})
    find_library(${target}_archive NAMES ${archive} REQUIRED)
    find_path(${target}_include NAMES ${ARG_HEADER} PATH_SUFFIXES lua5.4 REQUIRED)
    add_library(${target} INTERFACE IMPORTED GLOBAL)
    target_link_libraries(${target} INTERFACE ${${target}_archive} ${ARG_LINK})
    target_include_directories(${target} SYSTEM INTERFACE ${${target}_include})
endfunction()

stf_static_library(dep::lua liblua5.4.a HEADER lua.h LINK m)
stf_static_library(dep::lfs liblua5.4-filesystem.a HEADER lfs.h LINK dep::lua)
stf_static_library(dep::uv libuv_a.a HEADER uv.h LINK Threads::Threads ${CMAKE_DL_LIBS} rt)
stf_static_library(dep::md libmd.a HEADER sha256.h)
stf_static_library(dep::jansson libjansson.a HEADER jansson.h)
stf_static_library(dep::yaml libyaml.a HEADER yaml.h)
stf_static_library(dep::sqlite libsqlite3.a HEADER sqlite3.h LINK Threads::Threads ${CMAKE_DL_LIBS} m)

# libedit, and what its archive needs: the terminal's description, and libbsd, which needs libmd
find_library(tinfo_archive NAMES libtinfo.a REQUIRED)
find_library(bsd_archive NAMES libbsd.a REQUIRED)
stf_static_library(dep::edit libedit.a HEADER histedit.h LINK ${tinfo_archive} ${bsd_archive} dep::md)

pkg_check_modules(cmocka REQUIRED IMPORTED_TARGET cmocka)

find_path(ssh_include NAMES libssh/libssh.h REQUIRED)
