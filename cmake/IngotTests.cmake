# Every tests/unit/*_test.c and tests/scenario/*_test.c is one program and one test of the same name.
#
# The name's first word says which modules it links, so that a test builds while a module that it
# has nothing to do with does not:
set(INGOT_TEST_MODULES_base base)
set(INGOT_TEST_MODULES_core core base)
set(INGOT_TEST_MODULES_broadcast broadcast base)
set(INGOT_TEST_MODULES_wire wire core proto base)
set(INGOT_TEST_MODULES_storage storage base)
set(INGOT_TEST_MODULES_app app proto base)
set(INGOT_TEST_MODULES_net net base)
set(INGOT_TEST_MODULES_config config wire core proto base)
# Any other first word: all of them.

pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

# What a program of the tests needs, whatever it links.
function(ingot_test_program target)
    ingot_flags(${target})
    target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/include
        ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/tests)
    target_compile_definitions(${target} PRIVATE
        INGOT_TEST_SOURCE_DIR="${CMAKE_SOURCE_DIR}" INGOT_TEST_BUILD_DIR="${CMAKE_BINARY_DIR}")
    target_link_libraries(${target} PRIVATE PkgConfig::CMOCKA)
endfunction()

# tests/lib: what several tests share. An archive, so that a test takes only what it uses.
file(GLOB lib_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/lib/*.c)
if(lib_sources)
    add_library(ingot_test_lib STATIC ${lib_sources})
    ingot_test_program(ingot_test_lib)
    if(TARGET ingot_proto)
        target_link_libraries(ingot_test_lib PRIVATE ingot_proto)
    endif()
endif()

# Links a program with the modules that the first word of its name stands for.
function(ingot_test_link target name)
    string(REGEX MATCH "^[a-z0-9]+" word ${name})
    if(TARGET ingot_test_lib)
        target_link_libraries(${target} PRIVATE ingot_test_lib)
    endif()
    if(DEFINED INGOT_TEST_MODULES_${word})
        ingot_link(${target} PRIVATE ${INGOT_TEST_MODULES_${word}})
    else()
        if(word STREQUAL "cli")
            ingot_link(${target} PRIVATE cli)
        endif()
        target_link_libraries(${target} PRIVATE ${INGOT_ALL_GROUP})
    endif()
endfunction()

set(INGOT_TEST_ENVIRONMENT
    "INGOT_PROGRAM=${CMAKE_BINARY_DIR}/ingot"
    "INGOT_SOURCE_DIR=${CMAKE_SOURCE_DIR}"
    "INGOT_BUILD_DIR=${CMAKE_BINARY_DIR}"
    "ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1"
    "UBSAN_OPTIONS=print_stacktrace=1"
    "TSAN_OPTIONS=second_deadlock_stack=1")

# ingot_add_test(name label timeout_s command ...). A name with "_long_" in it runs only with
# `ctest -C long`.
function(ingot_add_test name label timeout)
    set(configurations "")
    if(name MATCHES "_long_test$")
        set(configurations CONFIGURATIONS long)
    endif()
    add_test(NAME ${name} COMMAND ${ARGN} ${configurations})
    set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT ${timeout}
        ENVIRONMENT "${INGOT_TEST_ENVIRONMENT}" SKIP_RETURN_CODE 77)
endfunction()

foreach(label unit scenario)
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${label}/*_test.c)
    foreach(source IN LISTS sources)
        get_filename_component(name ${source} NAME_WE)
        add_executable(${name} ${source})
        ingot_test_program(${name})
        ingot_test_link(${name} ${name})
        ingot_add_test(${name} ${label} 300 ${name})
    endforeach()
endforeach()
