# Compiler and linker flags. They are set for each of our targets by ingot_flags(), so that neither
# generated code nor a project that includes this one is affected.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

find_program(INGOT_CCACHE ccache)
if(INGOT_CCACHE AND NOT DEFINED CMAKE_C_COMPILER_LAUNCHER)
    set(CMAKE_C_COMPILER_LAUNCHER ${INGOT_CCACHE})
endif()

set(INGOT_WARNINGS
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
    -Wundef -Wcast-qual -Wwrite-strings -Wformat=2 -Wswitch-enum -Wimplicit-fallthrough)
if(INGOT_WERROR)
    list(APPEND INGOT_WARNINGS -Werror)
endif()

# What all our code is built with, generated code included. Nobody replaces a function of the public
# API at run time, so calls to them from within need no detour.
add_library(ingot_build_flags INTERFACE)
target_compile_options(ingot_build_flags INTERFACE -fvisibility=hidden -fno-common
    -fno-semantic-interposition -fno-strict-aliasing -ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)
target_compile_definitions(ingot_build_flags INTERFACE
    INGOT_VERSION="${PROJECT_VERSION}"
    $<$<BOOL:${INGOT_DEBUG_CHECKS}>:INGOT_DEBUG_CHECKS=1>)

# Only what is used: pkg-config files name more libraries than a program refers to.
target_link_options(ingot_build_flags INTERFACE -Wl,--as-needed)

if(INGOT_HARDENING)
    target_compile_options(ingot_build_flags INTERFACE
        -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection)
    if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|amd64|AMD64)$")
        target_compile_options(ingot_build_flags INTERFACE -fcf-protection=full)
    elseif(CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64")
        target_compile_options(ingot_build_flags INTERFACE -mbranch-protection=standard)
    endif()
    target_link_options(ingot_build_flags INTERFACE
        -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,separate-code)
endif()
if(INGOT_SANITIZE)
    target_compile_options(ingot_build_flags INTERFACE
        -fsanitize=${INGOT_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(ingot_build_flags INTERFACE -fsanitize=${INGOT_SANITIZE})
endif()
if(INGOT_COVERAGE)
    target_compile_options(ingot_build_flags INTERFACE --coverage)
    target_link_options(ingot_build_flags INTERFACE --coverage)
endif()
if(INGOT_FUZZ_INSTRUMENT)
    target_compile_options(ingot_build_flags INTERFACE -fsanitize=fuzzer-no-link)
    target_link_options(ingot_build_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# Flags and include paths of one of our own targets.
function(ingot_flags target)
    target_compile_options(${target} PRIVATE ${INGOT_WARNINGS})
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:ingot_build_flags>)
endfunction()
