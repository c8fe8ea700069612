# What people use: the program, and the library in its shared and its static form.

get_property(INGOT_ALL GLOBAL PROPERTY INGOT_MODULES)
list(REVERSE INGOT_ALL) # highest layer first, as a linker wants it
set(INGOT_ALL_TARGETS ${INGOT_ALL})
list(TRANSFORM INGOT_ALL_TARGETS PREPEND ingot_)
list(JOIN INGOT_ALL_TARGETS "," joined)
# The App's functions are called by the node and call back into it, so the archives are searched
# as one group.
set(INGOT_ALL_GROUP $<LINK_GROUP:RESCAN,${joined}>)

# The program. All but main() is an archive, so that tests can link it.
ingot_module(NAME cli DIR src/cli/ LINK ${INGOT_ALL})
if(TARGET ingot_cli)
    get_target_property(cli_sources ingot_cli SOURCES)
    list(FILTER cli_sources EXCLUDE REGEX "/main\\.c$")
    set_target_properties(ingot_cli PROPERTIES SOURCES "${cli_sources}")
    add_executable(ingot src/cli/main.c)
    ingot_flags(ingot)
    target_include_directories(ingot PRIVATE include src)
    target_link_libraries(ingot PRIVATE ingot_cli ${INGOT_ALL_GROUP})
endif()
