/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What every ABI header needs: the version, assertions that work in C and C++, limits.
 *
 * The headers in bpf/abi/ are the only definition of what kernel and user space share. They are legal C11 and
 * C++20 and include nothing but <linux/types.h>. Fields named *_be and addresses are in network byte order, all
 * others in host order. Padding is explicit and is zero in keys. All times are nanoseconds: *_boot_ns of
 * CLOCK_BOOTTIME, *_coarse_ns of CLOCK_MONOTONIC_COARSE (cheap to read, in steps of a jiffy, for idle times only).
 *
 * When to bump GATE_ABI: whenever a struct below changes size, layout or meaning, a map changes type, key or name,
 * or a number in an enum gets another meaning. Appending a reason, a counter or a map is no bump. The number is part of
 * the pin path (v<ABI>/), so maps of two versions never mix.
 */
#ifndef POSTERN_ABI_BASE_H
#define POSTERN_ABI_BASE_H

#include <linux/types.h>

#define GATE_ABI 2

#ifdef __cplusplus
#define GATE_ASSERT(condition, text) static_assert(condition, text)
#else
#define GATE_ASSERT(condition, text) _Static_assert(condition, text)
#endif
#define GATE_ASSERT_SIZE(type, size) GATE_ASSERT(sizeof(struct type) == (size), #type " has another size than the ABI says")
#define GATE_ASSERT_OFFSET(type, field, offset) \
	GATE_ASSERT(__builtin_offsetof(struct type, field) == (offset), #type "." #field " has moved")

/* Different prefix lengths that live grants of one service may use (each costs a look-up per new connection). */
#define GATE_PREFIX_LENGTHS_MAX 16

/* Address families as the ABI numbers them (AF_INET6 differs between systems). */
#define GATE_IPV4 4
#define GATE_IPV6 6

#endif
