# Every tests/unit/*_test.c and tests/scenario/*_test.c is one program and one test of the same name.
#
# The name's first word says which modules it links, so that a test builds while a module that it
# has nothing to do with does not:
set(INGOT_TEST_MODULES_base base)
set(INGOT_TEST_MODULES_core core base)
set(INGOT_TEST_MODULES_broadcast wire core broadcast proto base)
set(INGOT_TEST_MODULES_wire wire core proto base)
set(INGOT_TEST_MODULES_storage storage base)
set(INGOT_TEST_MODULES_app app wire core proto base)
set(INGOT_TEST_MODULES_net net base)
set(INGOT_TEST_MODULES_config config wire core proto base)
set(INGOT_TEST_MODULES_attest attest config wire core proto base)
# Any other first word: all of them. These do not use tests/lib:
set(INGOT_TEST_WITHOUT_LIB base config)

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
    if(TARGET ingot_test_lib AND NOT word IN_LIST INGOT_TEST_WITHOUT_LIB)
        target_link_libraries(${target} PRIVATE ingot_test_lib)
    endif()
    if(DEFINED INGOT_TEST_MODULES_${word})
        ingot_link(${target} PRIVATE ${INGOT_TEST_MODULES_${word}})
    else()
        if(word MATCHES "^(cli|bench)$")
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

# The simulator: tests/sim/*.c is one program, and ctest runs INGOT_SIM_SEEDS of its seeds, and
# INGOT_SIM_CHANGES_SEEDS with sets that change, in portions, so that they use all processors.
file(GLOB sim_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/sim/*.c)
if(sim_sources)
    add_executable(ingot_sim ${sim_sources})
    ingot_test_program(ingot_sim)
    ingot_test_link(ingot_sim sim)
    set(first 1)
    while(first LESS_EQUAL INGOT_SIM_SEEDS)
        math(EXPR last "${first} + 24")
        if(last GREATER INGOT_SIM_SEEDS)
            set(last ${INGOT_SIM_SEEDS})
        endif()
        ingot_add_test(sim_seeds_${first}_to_${last}_test sim 900
            ${CMAKE_SOURCE_DIR}/tests/checks/sim_seeds.sh $<TARGET_FILE:ingot_sim>
            ${first} ${last} 4)
        math(EXPR first "${last} + 1")
    endwhile()
    set(first 1)
    while(first LESS_EQUAL INGOT_SIM_CHANGES_SEEDS)
        math(EXPR last "${first} + 49")
        if(last GREATER INGOT_SIM_CHANGES_SEEDS)
            set(last ${INGOT_SIM_CHANGES_SEEDS})
        endif()
        ingot_add_test(sim_changes_${first}_to_${last}_test sim 900
            ${CMAKE_SOURCE_DIR}/tests/checks/sim_seeds.sh $<TARGET_FILE:ingot_sim>
            ${first} ${last} changes)
        math(EXPR first "${last} + 1")
    endwhile()
    # The long form: 2,000 seeds with four validators and 300 with seven, and 2,000 with sets that
    # change.
    ingot_add_test(sim_seeds_four_validators_long_test sim 7200
        ${CMAKE_SOURCE_DIR}/tests/checks/sim_seeds.sh $<TARGET_FILE:ingot_sim> 1 2000 4)
    ingot_add_test(sim_seeds_seven_validators_long_test sim 7200
        ${CMAKE_SOURCE_DIR}/tests/checks/sim_seeds.sh $<TARGET_FILE:ingot_sim> 1 300 7)
    ingot_add_test(sim_seeds_changes_long_test sim 7200
        ${CMAKE_SOURCE_DIR}/tests/checks/sim_seeds.sh $<TARGET_FILE:ingot_sim> 1 2000 changes)
endif()

# tests/mutants: the simulator, and the stories, over a core with deliberate mistakes. The sources
# that have some are part of the programs, so that those in the archives are not taken; no check of
# the core's invariants may come before the checkers.
file(GLOB mutant_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/core/*.c
     ${CMAKE_SOURCE_DIR}/src/broadcast/*.c)
list(APPEND mutant_sources ${CMAKE_SOURCE_DIR}/src/node/ledger.c
     ${CMAKE_SOURCE_DIR}/src/wire/verify.c ${CMAKE_SOURCE_DIR}/src/wire/verify_message.c)
if(sim_sources)
    add_library(ingot_mutant_core OBJECT ${mutant_sources})
    ingot_test_program(ingot_mutant_core)
    target_compile_definitions(ingot_mutant_core PRIVATE INGOT_MUTANTS=1)
    target_compile_options(ingot_mutant_core PRIVATE -UINGOT_DEBUG_CHECKS)
    function(ingot_mutant_program name)
        add_executable(${name} ${ARGN} $<TARGET_OBJECTS:ingot_mutant_core>)
        ingot_test_program(${name})
        target_compile_definitions(${name} PRIVATE INGOT_MUTANTS=1)
        ingot_test_link(${name} mutants)
    endfunction()
    set(swarm_sources ${sim_sources})
    list(FILTER swarm_sources EXCLUDE REGEX "/main\\.c$")
    ingot_mutant_program(mutants_test ${CMAKE_SOURCE_DIR}/tests/mutants/mutants_test.c
        ${swarm_sources})
    ingot_add_test(mutants_test scenario 600 mutants_test)
    foreach(story locks phases two_sets_apart view_gaps broadcast_everyday broadcast_attacks
            broadcast_flood broadcast_repair broadcast_vetoes broadcast_exhaustive
            broadcast_schedules)
        ingot_mutant_program(mutants_${story} ${CMAKE_SOURCE_DIR}/tests/mutants/chosen.c
            ${CMAKE_SOURCE_DIR}/tests/scenario/${story}_test.c)
    endforeach()
    ingot_add_test(mutants_stories_test scenario 600
        bash ${CMAKE_SOURCE_DIR}/tests/mutants/stories_test.sh)
endif()

# tests/process: whole programs from the outside. Files named *_test are tests, in C, shell, Python
# or JavaScript; other C files are programs that those use. They measure time, so each has the
# machine for itself.
file(GLOB process_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/process/*.c
    ${CMAKE_SOURCE_DIR}/tests/process/*_test.sh ${CMAKE_SOURCE_DIR}/tests/process/*_test.py
    ${CMAKE_SOURCE_DIR}/tests/process/*_test.mjs)
find_program(INGOT_NODEJS node)
find_program(INGOT_PYTHON python3)
foreach(file IN LISTS process_files)
    get_filename_component(name ${file} NAME_WE)
    if(file MATCHES "\\.c$")
        add_executable(${name} ${file})
        ingot_test_program(${name})
        ingot_test_link(${name} process)
        set(command ${name})
    elseif(file MATCHES "\\.py$")
        set(command ${INGOT_PYTHON} ${file})
    elseif(file MATCHES "\\.mjs$")
        set(command ${INGOT_NODEJS} ${file})
    else()
        set(command bash ${file})
    endif()
    if(name MATCHES "_test$")
        set(timeout 300)
        if(name MATCHES "_long_test$")
            set(timeout 7200)
        endif()
        ingot_add_test(${name} process ${timeout} ${command})
        set_tests_properties(${name} PROPERTIES RUN_SERIAL ON)
    endif()
endforeach()

# bench: one program for each file.
file(GLOB bench_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bench/*.c)
foreach(source IN LISTS bench_sources)
    get_filename_component(name ${source} NAME_WE)
    add_executable(bench_${name} ${source})
    ingot_test_program(bench_${name})
    ingot_test_link(bench_${name} bench)
endforeach()

# Fuzz targets: tests/fuzz/*_fuzz.c defines LLVMFuzzerTestOneInput; inputs that once broke
# something are in tests/fuzz/corpus/<name>/. As a test each runs those and a few thousand more.
if(INGOT_FUZZ_TARGETS)
    file(GLOB fuzz_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz/*_fuzz.c)
    foreach(source IN LISTS fuzz_sources)
        get_filename_component(name ${source} NAME_WE)
        add_executable(${name} ${source})
        ingot_test_program(${name})
        ingot_test_link(${name} ${name})
        target_compile_options(${name} PRIVATE -fsanitize=fuzzer-no-link
            -Wno-missing-prototypes)
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
        set(corpus "")
        if(IS_DIRECTORY ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
            set(corpus ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${name})
        endif()
        # New inputs go to the first folder named, which is in the build folder.
        file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/fuzz/${name})
        ingot_add_test(${name} fuzz 300 ${name} -runs=5000 -seed=1 -max_len=4096
            ${CMAKE_BINARY_DIR}/fuzz/${name} ${corpus})
    endforeach()
endif()

# tests/checks: scripts that look at the sources and at what was built. Sanitizers change which
# symbols an object refers to, and the sources are the same in every build, so one of the builds
# without sanitizers is enough for most.
function(ingot_add_check name)
    ingot_add_test(check_${name} check 300 bash ${CMAKE_SOURCE_DIR}/tests/checks/${name}.sh ${ARGN})
endfunction()
if(NOT INGOT_SANITIZE AND NOT INGOT_COVERAGE)
    foreach(module core broadcast)
        if(TARGET ingot_${module})
            ingot_add_test(check_${module}_symbols check 60
                bash ${CMAKE_SOURCE_DIR}/tests/checks/core_symbols.sh
                $<TARGET_FILE:ingot_${module}>)
        endif()
    endforeach()
    ingot_add_check(exports $<TARGET_FILE:ingot_shared> $<TARGET_FILE:ingot_static>)
    ingot_add_check(style)
    ingot_add_check(format)
    ingot_add_check(scripts)
endif()
if(INGOT_HARDENING AND TARGET ingot)
    ingot_add_check(hardening $<TARGET_FILE:ingot> $<TARGET_FILE:ingot_shared>
        $<TARGET_FILE:ingot_static>)
endif()
if(INGOT_HARDENING AND EXISTS ${CMAKE_SOURCE_DIR}/include/ingot/node.h)
    ingot_add_check(embed)
endif()
