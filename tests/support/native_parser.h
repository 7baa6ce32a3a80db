/* SPDX-License-Identifier: Apache-2.0 */
/* The gate's parser compiled for user space, so that an over-read can be seen: by a guard page, by a sanitizer. The
 * result is told in plain numbers, not as struct packet, so that C++ need not read the BPF headers. */
#ifndef POSTERN_TESTS_NATIVE_PARSER_H
#define POSTERN_TESTS_NATIVE_PARSER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum native_kind {
	native_not_ip,
	native_unreadable,
	native_malformed,
	native_link_control,
	native_portless,
	native_tunnel,
	native_transport,
	native_icmp_error,
	native_later_fragment,
	native_tiny_fragment,
	native_unknown_kind,
};

struct native_packet {
	enum native_kind kind;
	uint8_t family, protocol, tcp_flags, first_fragment;
	uint16_t source_port, destination_port; /* host order */
	uint32_t sequence, acknowledgment, ip_bytes, payload_bytes, fragment_begin, fragment_end;
	uint8_t source[16], destination[16];
};

/* `size` bytes can be read, the whole frame has `frame_size` (they differ where an skb is not linear). */
struct native_packet native_parse(const void *data, size_t size, size_t frame_size);

#ifdef __cplusplus
}
#endif
#endif
