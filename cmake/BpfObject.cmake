# SPDX-License-Identifier: Apache-2.0
# bpf_object(NAME): compiles NAME.bpf.c of the calling folder with clang for the BPF target and makes the INTERFACE target NAME_skel,
# whose include directory holds the skeleton NAME.skel.h (bpftool). Every header below bpf/ is a dependency.
#
# -mcpu=v3 needs kernel 5.1. <linux/types.h> under -target bpf asks for <asm/types.h>, which Debian keeps in the
# multiarch folder of the host compiler.
execute_process(COMMAND ${CMAKE_C_COMPILER} -print-multiarch OUTPUT_VARIABLE POSTERN_MULTIARCH OUTPUT_STRIP_TRAILING_WHITESPACE)

function(bpf_object name)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/bpf/*.h)
  set(source ${CMAKE_CURRENT_SOURCE_DIR}/${name}.bpf.c)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/bpf)
  set(object ${CMAKE_BINARY_DIR}/bpf/${name}.bpf.o)
  set(skeleton ${CMAKE_BINARY_DIR}/bpf/${name}.skel.h)
  add_custom_command(OUTPUT ${object}
    COMMAND ${POSTERN_CLANG} -g -O2 -target bpf -mcpu=v3 -std=gnu11 -Wall -Wextra -Wno-unused-parameter
            -Wno-address-of-packed-member -Werror
            -idirafter /usr/include/${POSTERN_MULTIARCH} -I${CMAKE_SOURCE_DIR} -c ${source} -o ${object}
    DEPENDS ${source} ${headers} VERBATIM COMMENT "BPF ${name}")
  add_custom_command(OUTPUT ${skeleton}
    COMMAND ${POSTERN_BPFTOOL} gen skeleton ${object} name ${name} > ${skeleton}
    DEPENDS ${object} VERBATIM COMMENT "Skeleton ${name}")
  add_custom_target(${name}_build DEPENDS ${skeleton})
  add_library(${name}_skel INTERFACE)
  add_dependencies(${name}_skel ${name}_build)
  target_include_directories(${name}_skel SYSTEM INTERFACE ${CMAKE_BINARY_DIR}/bpf)
endfunction()
