# tests/twins: scenarios of Twins, all of three views every day and all of four in the long run. The
# linker puts tests/twins/seams.c in the place of the functions of the core that are named here.
file(GLOB twins_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/twins/*.c)
list(FILTER twins_sources EXCLUDE REGEX "/(main|[a-z_]+_test)\\.c$")

function(ingot_twins_program target)
    add_executable(${target} ${twins_sources} ${ARGN})
    ingot_test_program(${target})
    ingot_test_link(${target} core)
    foreach(function leader_of_view own_key_check_vote own_key_check_timeout own_key_check_qc
            own_key_check_tc)
        target_link_options(${target} PRIVATE -Wl,--wrap=${function})
    endforeach()
endfunction()

ingot_twins_program(ingot_twins ${CMAKE_SOURCE_DIR}/tests/twins/main.c)

set(twins_random 30000)
if(INGOT_SANITIZE OR INGOT_DEBUG_CHECKS OR INGOT_COVERAGE)
    set(twins_random 10000)
endif()
ingot_add_test(twins_three_views_test scenario 900 ingot_twins --views 3 --jobs 2)
ingot_add_test(twins_random_test scenario 900 ingot_twins --random ${twins_random} --jobs 2)
ingot_add_test(twins_four_views_long_test scenario 7200 ingot_twins --views 4 --jobs 2)
ingot_add_test(twins_random_long_test scenario 7200 ingot_twins --random 1000000 --seed 2 --jobs 2)
