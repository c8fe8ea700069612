# tests/twins: scenarios of Twins, all of three views every day and all of four in the long run. The
# linker puts tests/twins/seams.c in the place of the functions of the core that are named here.
file(GLOB twins_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/twins/*.c)
list(FILTER twins_sources EXCLUDE REGEX "_test\\.c$")

# Puts the seams into a program.
function(ingot_twins_seams target)
    foreach(function leader_of_view own_key_check_vote own_key_check_timeout own_key_check_qc
            own_key_check_tc)
        target_link_options(${target} PRIVATE -Wl,--wrap=${function})
    endforeach()
endfunction()

add_executable(ingot_twins ${twins_sources})
ingot_test_program(ingot_twins)
ingot_test_link(ingot_twins core)
ingot_twins_seams(ingot_twins)

set(tested_sources ${twins_sources} ${CMAKE_SOURCE_DIR}/tests/twins/twins_scenario_test.c)
list(FILTER tested_sources EXCLUDE REGEX "/main\\.c$")
add_executable(twins_scenario_test ${tested_sources})
ingot_test_program(twins_scenario_test)
ingot_test_link(twins_scenario_test core)
ingot_twins_seams(twins_scenario_test)
ingot_add_test(twins_scenario_test scenario 300 twins_scenario_test)

# The same with deliberate faults, which it has to find.
if(COMMAND ingot_mutant_program)
    ingot_mutant_program(ingot_twins OFF ${twins_sources})
    ingot_twins_seams(mutants_ingot_twins)
    ingot_add_test(twins_mutants_test mutants 900 ${INGOT_PYTHON}
        ${CMAKE_SOURCE_DIR}/tests/twins/mutants_test.py ${CMAKE_BINARY_DIR}/mutants/ingot_twins)
endif()

set(twins_random 30000)
if(INGOT_SANITIZE OR INGOT_DEBUG_CHECKS OR INGOT_COVERAGE)
    set(twins_random 10000)
endif()
ingot_add_test(twins_three_views_test scenario 900 ingot_twins --views 3 --jobs 2)
ingot_add_test(twins_random_test scenario 900 ingot_twins --random ${twins_random} --jobs 2)
ingot_add_test(twins_four_views_long_test scenario 7200 ingot_twins --views 4 --jobs 2)
ingot_add_test(twins_random_long_test scenario 7200 ingot_twins --random 1000000 --seed 2 --jobs 2)
