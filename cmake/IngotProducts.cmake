# What people use: the program, the library in its shared and its static form, and what is installed.

include(CMakePackageConfigHelpers)

get_property(INGOT_ALL GLOBAL PROPERTY INGOT_MODULES)
list(REVERSE INGOT_ALL) # highest layer first, as a linker wants it
set(INGOT_ALL_TARGETS ${INGOT_ALL})
list(TRANSFORM INGOT_ALL_TARGETS PREPEND ingot_)
list(JOIN INGOT_ALL_TARGETS "," joined)
# The App's functions are called by the node and call back into it, so the archives are searched
# as one group.
set(INGOT_ALL_GROUP $<LINK_GROUP:RESCAN,${joined}>)
set(INGOT_ALL_OBJECTS ${INGOT_ALL_TARGETS})
list(TRANSFORM INGOT_ALL_OBJECTS REPLACE "(.+)" "$<TARGET_OBJECTS:\\1>")

# The program. All but main() is an archive, so that tests can link it.
ingot_module(NAME cli DIR src/cli EXCLUDE main.c LINK ${INGOT_ALL})
if(EXISTS ${CMAKE_SOURCE_DIR}/src/cli/main.c)
    add_executable(ingot src/cli/main.c)
    ingot_flags(ingot)
    target_include_directories(ingot PRIVATE include src ${CMAKE_SOURCE_DIR})
    ingot_link(ingot PRIVATE cli)
    target_link_libraries(ingot PRIVATE ${INGOT_ALL_GROUP})
    install(TARGETS ingot RUNTIME)
endif()

# The shared library exports what carries INGOT_API and nothing else.
add_library(ingot_shared SHARED ${INGOT_ALL_OBJECTS})
set_target_properties(ingot_shared PROPERTIES OUTPUT_NAME ingot EXPORT_NAME ingot
    VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR} LINKER_LANGUAGE C)
target_link_libraries(ingot_shared PRIVATE $<BUILD_INTERFACE:ingot_build_flags>)
if(NOT INGOT_SANITIZE)
    target_link_options(ingot_shared PRIVATE -Wl,-z,defs)
endif()

# The static library is one object in which every internal name has become local, so that names
# such as log_write cannot clash with those of the program it is linked into. Sanitizers and
# coverage keep tables that such a merge would break; there it is a plain archive.
if(INGOT_SANITIZE OR INGOT_COVERAGE)
    add_library(ingot_static STATIC ${INGOT_ALL_OBJECTS})
else()
    set(merged ${CMAKE_BINARY_DIR}/ingot_merged.o)
    add_custom_command(OUTPUT ${merged}
        COMMAND ${CMAKE_C_COMPILER} -r -nostdlib -o ${merged} ${INGOT_ALL_OBJECTS}
        COMMAND ${CMAKE_OBJCOPY} --localize-hidden ${merged}
        DEPENDS ${INGOT_ALL_OBJECTS} COMMAND_EXPAND_LISTS VERBATIM)
    set_source_files_properties(${merged} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
    add_library(ingot_static STATIC ${merged})
endif()
set_target_properties(ingot_static PROPERTIES OUTPUT_NAME ingot EXPORT_NAME ingot_static
    LINKER_LANGUAGE C)

foreach(target ingot_shared ingot_static)
    target_include_directories(${target} INTERFACE
        $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include>
        $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_link_libraries(${target} PRIVATE PkgConfig::LMDB PkgConfig::PROTOBUF_C
        PkgConfig::SODIUM PkgConfig::EVENT PkgConfig::OPENSSL PkgConfig::INIH PkgConfig::JANSSON)
endforeach()

# Installation: headers, libraries, ingot.pc and the CMake package.
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/ingot)
install(TARGETS ingot_shared EXPORT ingot_shared_targets)
install(TARGETS ingot_static EXPORT ingot_static_targets)
install(EXPORT ingot_shared_targets FILE ingotSharedTargets.cmake NAMESPACE ingot::
    DESTINATION ${package_dir})
install(EXPORT ingot_static_targets FILE ingotStaticTargets.cmake NAMESPACE ingot::
    DESTINATION ${package_dir})
install(DIRECTORY include/ingot DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.h)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

configure_package_config_file(cmake/ingotConfig.cmake.in ${CMAKE_BINARY_DIR}/ingotConfig.cmake
    INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/ingotConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/ingotConfig.cmake ${CMAKE_BINARY_DIR}/ingotConfigVersion.cmake
    DESTINATION ${package_dir})

# The paths in ingot.pc follow the prefix given at installation (cmake --install --prefix).
install(CODE "set(INGOT_PC_VERSION \"${PROJECT_VERSION}\")
set(INGOT_PC_DESCRIPTION \"${PROJECT_DESCRIPTION}\")
set(INGOT_PC_LIBDIR \"${CMAKE_INSTALL_LIBDIR}\")
set(INGOT_PC_INCLUDEDIR \"${CMAKE_INSTALL_INCLUDEDIR}\")
configure_file(\"${CMAKE_SOURCE_DIR}/ingot.pc.in\"
    \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_LIBDIR}/pkgconfig/ingot.pc\" @ONLY)")
