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
find_program(INGOT_PYTHON python3)

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
# INGOT_SIM_CHANGES_SEEDS with sets that change; the former in portions, so that they use all
# processors.
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
    # All in one run, as every class of faults and every habit of a liar has to be seen in it.
    if(INGOT_SIM_CHANGES_SEEDS GREATER 0)
        ingot_add_test(sim_changes_seeds_test sim 900
            ${CMAKE_SOURCE_DIR}/tests/checks/sim_seeds.sh $<TARGET_FILE:ingot_sim>
            1 ${INGOT_SIM_CHANGES_SEEDS} changes)
        set_tests_properties(sim_changes_seeds_test PROPERTIES PROCESSORS 2)
    endif()
    # What seeds have found is mended.
    ingot_add_test(sim_kept_seeds_test sim 900
        ingot_sim --kept ${CMAKE_SOURCE_DIR}/tests/sim/seeds)
    # The long form: 2,000 seeds with four validators and 300 with seven, and 2,000 with sets that
    # change.
    ingot_add_test(sim_seeds_four_validators_long_test sim 7200
        ${CMAKE_SOURCE_DIR}/tests/checks/sim_seeds.sh $<TARGET_FILE:ingot_sim> 1 2000 4)
    ingot_add_test(sim_seeds_seven_validators_long_test sim 7200
        ${CMAKE_SOURCE_DIR}/tests/checks/sim_seeds.sh $<TARGET_FILE:ingot_sim> 1 300 7)
    ingot_add_test(sim_seeds_changes_long_test sim 7200
        ${CMAKE_SOURCE_DIR}/tests/checks/sim_seeds.sh $<TARGET_FILE:ingot_sim> 1 2000 changes)
endif()

# ingot_mutants_library(name): all modules but the commands, with deliberate faults.
function(ingot_mutants_library name)
    set(mutated_sources "")
    foreach(module IN LISTS INGOT_ALL)
        if(TARGET ingot_${module} AND NOT module STREQUAL "proto")
            get_target_property(sources ingot_${module} SOURCES)
            list(APPEND mutated_sources ${sources})
        endif()
    endforeach()
    add_library(${name} STATIC EXCLUDE_FROM_ALL ${mutated_sources})
    ingot_test_program(${name})
    target_compile_definitions(${name} PRIVATE INGOT_MUTANTS=1)
    target_compile_options(${name} PRIVATE -UINGOT_DEBUG_CHECKS)
    target_link_libraries(${name} PUBLIC ingot_proto PkgConfig::LMDB PkgConfig::PROTOBUF_C
        PkgConfig::SODIUM PkgConfig::EVENT PkgConfig::OPENSSL PkgConfig::INIH PkgConfig::JANSSON)
endfunction()

# tests/mutants: the library once more, with deliberate faults of which each program takes the one
# that its environment names, and tests over it. No check of the core's invariants may come before
# the tests, and sanitizers say nothing about a fault that is there on purpose.
#
# The everyday tests need the killers of tests/mutants/killers.txt alone; `mutants_all` is all unit
# and scenario tests, for tests/mutants/search.py.
if(sim_sources AND INGOT_PYTHON AND NOT INGOT_SANITIZE AND NOT INGOT_COVERAGE)
    set(mutants_folder ${CMAKE_SOURCE_DIR}/tests/mutants)
    ingot_mutants_library(ingot_mutants)
    add_custom_target(mutants_all)
    # ingot_mutant_program(name is_excluded source ...): is_excluded: only built if asked for.
    function(ingot_mutant_program name is_excluded)
        add_executable(mutants_${name} ${ARGN} ${mutants_folder}/chosen.c)
        set_target_properties(mutants_${name} PROPERTIES OUTPUT_NAME ${name}
            RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/mutants EXCLUDE_FROM_ALL ${is_excluded})
        ingot_test_program(mutants_${name})
        target_compile_definitions(mutants_${name} PRIVATE INGOT_MUTANTS=1)
        target_link_libraries(mutants_${name} PRIVATE ingot_test_lib ingot_mutants)
        add_dependencies(mutants_all mutants_${name})
    endfunction()
    set(table ${mutants_folder}/killers.txt)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${table})
    file(STRINGS ${table} killers REGEX "^ .*_test:")
    foreach(label unit scenario)
        file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${label}/*_test.c)
        foreach(source IN LISTS sources)
            get_filename_component(name ${source} NAME_WE)
            if(NOT name MATCHES "^cli_")
                set(excluded ON)
                if("${killers}" MATCHES " ${name}:")
                    set(excluded OFF)
                endif()
                ingot_mutant_program(${name} ${excluded} ${source})
            endif()
        endforeach()
    endforeach()
    ingot_mutant_program(ingot_sim OFF ${sim_sources})
    # The program itself, for tests/process.
    ingot_mutant_program(ingot OFF ${CMAKE_SOURCE_DIR}/src/cli/main.c $<TARGET_OBJECTS:ingot_cli>)
    foreach(kind tests sim)
        ingot_add_test(mutants_${kind}_test mutants 900 ${INGOT_PYTHON}
            ${mutants_folder}/everyday.py ${CMAKE_BINARY_DIR} ${kind})
    endforeach()
    ingot_add_test(mutants_document_test mutants 60 ${INGOT_PYTHON}
        ${mutants_folder}/document.py --check)
    ingot_add_test(mutants_all_long_test mutants 1800
        ${CMAKE_COMMAND} --build ${CMAKE_BINARY_DIR} --parallel 2 --target mutants_all)
    ingot_add_test(mutants_search_long_test mutants 7200 ${INGOT_PYTHON}
        ${mutants_folder}/search.py --build ${CMAKE_BINARY_DIR})
    set_tests_properties(mutants_all_long_test PROPERTIES FIXTURES_SETUP mutants_all)
    set_tests_properties(mutants_search_long_test PROPERTIES FIXTURES_REQUIRED mutants_all
        RUN_SERIAL ON)
endif()

# tests/power: what a disk may hold after the power has gone. One program; its functions come before
# the C library's, so that LMDB's writes go through it.
file(GLOB power_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/power/*.c)
if(power_sources)
    add_executable(power_loss ${power_sources})
    ingot_test_program(power_loss)
    ingot_test_link(power_loss power)
    target_link_libraries(power_loss PRIVATE ${CMAKE_DL_LIBS})
    set(power_images 5000)
    if(INGOT_SANITIZE)
        set(power_images 1500)
    endif()
    ingot_add_test(power_loss_test power 300 power_loss --images ${power_images})
    ingot_add_test(power_loss_faults_test power 300
        bash ${CMAKE_SOURCE_DIR}/tests/power/faults_test.sh $<TARGET_FILE:power_loss>)
    ingot_add_test(power_loss_repeat_test power 300
        bash ${CMAKE_SOURCE_DIR}/tests/power/repeat_test.sh $<TARGET_FILE:power_loss>)
    ingot_add_test(power_loss_long_test power 3600 power_loss --images 20000 --jobs 2)
endif()

# tests/process: whole programs from the outside. Files named *_test are tests, in C, shell, Python
# or JavaScript; other C files are programs that those use. They measure time, so each has the
# machine for itself.
file(GLOB process_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/process/*.c
    ${CMAKE_SOURCE_DIR}/tests/process/*_test.sh ${CMAKE_SOURCE_DIR}/tests/process/*_test.py
    ${CMAKE_SOURCE_DIR}/tests/process/*_test.mjs)
find_program(INGOT_NODEJS node)
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

# bench: the micro benchmarks.
file(GLOB bench_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bench/*.c)
if(bench_sources)
    add_executable(bench_micro ${bench_sources})
    ingot_test_program(bench_micro)
    ingot_test_link(bench_micro bench)
endif()

# Fuzz targets: each of tests/fuzz/targets.txt is tests/fuzz/NAME.c, which defines
# LLVMFuzzerTestOneInput; inputs to begin with are in tests/fuzz/corpus/NAME/. As a test each runs
# those and as many more as the table says, the same ones every time.
if(INGOT_FUZZ_TARGETS)
    file(STRINGS ${CMAKE_SOURCE_DIR}/tests/fuzz/targets.txt fuzz_targets REGEX "^[a-z]")
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
        ${CMAKE_SOURCE_DIR}/tests/fuzz/targets.txt)
    # What several targets share.
    file(GLOB fuzz_lib_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/fuzz/*.c)
    list(FILTER fuzz_lib_sources EXCLUDE REGEX "_fuzz\\.c$")
    foreach(line IN LISTS fuzz_targets)
        string(REGEX MATCH "^([a-z0-9_]+) +([0-9]+)" matched "${line}")
        set(name ${CMAKE_MATCH_1})
        set(runs ${CMAKE_MATCH_2})
        add_executable(${name} ${CMAKE_SOURCE_DIR}/tests/fuzz/${name}.c ${fuzz_lib_sources})
        ingot_test_program(${name})
        ingot_test_link(${name} ${name})
        target_compile_options(${name} PRIVATE -fsanitize=fuzzer-no-link
            -Wno-missing-prototypes)
        target_link_options(${name} PRIVATE -fsanitize=fuzzer)
        ingot_add_test(${name} fuzz 300 bash ${CMAKE_SOURCE_DIR}/tests/fuzz/run.sh
            -seed=1 -runs=${runs} -- $<TARGET_FILE:${name}> none)
    endforeach()
    # The same replicas with a fault that INGOT_MUTANT names, for `./dev fuzz --mutant`.
    if(INGOT_FUZZ_INSTRUMENT)
        ingot_mutants_library(ingot_fuzz_mutants)
        add_executable(replicas_fuzz_mutants EXCLUDE_FROM_ALL
            ${CMAKE_SOURCE_DIR}/tests/fuzz/replicas_fuzz.c
            ${CMAKE_SOURCE_DIR}/tests/mutants/chosen.c)
        ingot_test_program(replicas_fuzz_mutants)
        target_compile_definitions(replicas_fuzz_mutants PRIVATE INGOT_MUTANTS=1)
        target_compile_options(replicas_fuzz_mutants PRIVATE -Wno-missing-prototypes)
        target_link_options(replicas_fuzz_mutants PRIVATE -fsanitize=fuzzer)
        target_link_libraries(replicas_fuzz_mutants PRIVATE ingot_test_lib ingot_fuzz_mutants)
    endif()
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
    ingot_add_check(torture)
    ingot_add_check(fuzz_targets)
elseif(INGOT_SANITIZE MATCHES "address")
    ingot_add_check(fuzz_targets ${CMAKE_BINARY_DIR})
endif()
if(INGOT_HARDENING AND TARGET ingot)
    ingot_add_check(hardening $<TARGET_FILE:ingot> $<TARGET_FILE:ingot_shared>
        $<TARGET_FILE:ingot_static>)
endif()
if(INGOT_HARDENING AND EXISTS ${CMAKE_SOURCE_DIR}/include/ingot/node.h)
    ingot_add_check(embed)
endif()

include(IngotTwins)
