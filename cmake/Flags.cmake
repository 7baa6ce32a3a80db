# SPDX-License-Identifier: Apache-2.0
# Compiler flags live in one INTERFACE target that every target of ours links.
option(POSTERN_WERROR "Treat warnings as errors" OFF)
set(POSTERN_SANITIZE "" CACHE STRING "Value for -fsanitize=, empty for none")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)

add_library(postern_flags INTERFACE)
target_compile_options(postern_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Woverloaded-virtual -Wold-style-cast -Wextra-semi>
  -fstack-protector-strong
  $<$<BOOL:${POSTERN_WERROR}>:-Werror>)
target_include_directories(postern_flags INTERFACE ${CMAKE_SOURCE_DIR})
# g++ 12 reports false positives of these three inside the standard library's and Boost's headers at -O2.
target_compile_options(postern_flags INTERFACE
  $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-array-bounds $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>>)
target_compile_definitions(postern_flags INTERFACE
  $<$<CONFIG:Debug>:_GLIBCXX_ASSERTIONS> POSTERN_VERSION="${PROJECT_VERSION}")
if(POSTERN_SANITIZE)
  target_compile_options(postern_flags INTERFACE -fsanitize=${POSTERN_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(postern_flags INTERFACE -fsanitize=${POSTERN_SANITIZE})
  if(POSTERN_SANITIZE STREQUAL "thread") # which does not know the fences in Boost.Asio's headers
    target_compile_definitions(postern_flags INTERFACE BOOST_ASIO_DISABLE_FENCED_BLOCK)
  endif()
else()
  target_compile_options(postern_flags INTERFACE $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
  target_link_options(postern_flags INTERFACE -Wl,-z,relro,-z,now)
endif()
