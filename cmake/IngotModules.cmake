# One static archive for each module. A module whose folder holds no source is left out, and with
# it every mention of it in a LINK list.

set_property(GLOBAL PROPERTY INGOT_MODULES "")

# Links `target` with the modules and outside libraries that exist.
function(ingot_link target visibility)
    foreach(item IN LISTS ARGN)
        if(TARGET ingot_${item})
            target_link_libraries(${target} ${visibility} ingot_${item})
        elseif(TARGET ${item})
            target_link_libraries(${target} ${visibility} ${item})
        endif()
    endforeach()
endfunction()

# ingot_module(NAME name DIR folder [EXCLUDE file] [LINK module-or-target ...]) makes
# libingot_<name>.a of all sources in the folder.
function(ingot_module)
    cmake_parse_arguments(module "" "NAME;DIR;EXCLUDE" "LINK" ${ARGN})
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${module_DIR}/*.c)
    if(module_EXCLUDE)
        list(REMOVE_ITEM sources ${CMAKE_SOURCE_DIR}/${module_DIR}/${module_EXCLUDE})
    endif()
    if(NOT sources)
        return()
    endif()
    set(target ingot_${module_NAME})
    add_library(${target} STATIC ${sources})
    ingot_flags(${target})
    target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR}/include
        PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR})
    ingot_link(${target} PUBLIC ${module_LINK})
    set_property(GLOBAL APPEND PROPERTY INGOT_MODULES ${module_NAME})
endfunction()

# ingot_protobuf_module(NAME name DIR folder) makes libingot_<name>.a of the code that protoc-c
# generates in the build folder. Include it as "proto/<file>.pb-c.h".
function(ingot_protobuf_module)
    cmake_parse_arguments(module "" "NAME;DIR" "" ${ARGN})
    file(GLOB definitions CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${module_DIR}/*.proto)
    if(NOT definitions)
        return()
    endif()
    find_program(INGOT_PROTOC_C protoc-c REQUIRED)
    set(generated ${CMAKE_BINARY_DIR}/generated)
    file(MAKE_DIRECTORY ${generated}/${module_DIR})
    set(sources "")
    foreach(definition IN LISTS definitions)
        get_filename_component(stem ${definition} NAME_WE)
        set(output ${generated}/${module_DIR}/${stem}.pb-c)
        add_custom_command(OUTPUT ${output}.c ${output}.h
            COMMAND ${INGOT_PROTOC_C} --proto_path=${CMAKE_SOURCE_DIR}/${module_DIR}
                    --c_out=${generated}/${module_DIR} ${definition}
            DEPENDS ${definitions} VERBATIM)
        list(APPEND sources ${output}.c ${output}.h)
    endforeach()
    set(target ingot_${module_NAME})
    add_library(${target} STATIC ${sources})
    target_compile_options(${target} PRIVATE -w)
    target_include_directories(${target} SYSTEM PUBLIC ${generated} ${generated}/${module_DIR})
    target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:ingot_build_flags>
        PUBLIC PkgConfig::PROTOBUF_C)
    set_property(GLOBAL APPEND PROPERTY INGOT_MODULES ${module_NAME})
endfunction()
