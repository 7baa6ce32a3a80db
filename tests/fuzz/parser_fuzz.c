/* SPDX-License-Identifier: Apache-2.0 */
/* The gate's parser under libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer: it never reads what is not there,
 * and what it says of a frame holds together (I8). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/native_parser.h"

#define PADDING 24

static void must(int holds, const char *rule)
{
	if (holds)
		return;
	fprintf(stderr, "parser_fuzz: broken rule: %s\n", rule);
	abort();
}

static struct native_packet parse_of(const uint8_t *data, size_t readable, size_t frame_size)
{
	/* A block of exactly that size: one byte too far is seen. */
	uint8_t *copy = malloc(readable ? readable : 1);
	struct native_packet packet;

	memcpy(copy, data, readable);
	packet = native_parse(copy, readable, frame_size);
	free(copy);
	return packet;
}

/* DHCP is link control; a malformed transport header may have shown its ports. */
static int may_have_ports(const struct native_packet *packet)
{
	return packet->kind == native_transport || packet->kind == native_icmp_error ||
	       packet->kind == native_link_control || packet->kind == native_malformed ||
	       packet->kind == native_tiny_fragment;
}

static int is_read(const struct native_packet *packet)
{
	return packet->kind >= native_link_control && packet->kind <= native_later_fragment;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct native_packet whole = parse_of(data, size, size);

	must(whole.kind != native_unknown_kind, "every frame is of a kind");
	must(may_have_ports(&whole) || (!whole.source_port && !whole.destination_port), "nothing without ports has ports");
	must(whole.ip_bytes <= size || !is_read(&whole), "an IP packet that was read lies within its frame");
	must(whole.kind != native_transport || whole.payload_bytes <= whole.ip_bytes, "data lies within the packet");
	must(whole.kind != native_later_fragment || whole.fragment_begin > 0, "a later fragment begins later");

	if (is_read(&whole) && size > 0) {
		uint8_t *longer = malloc(size + PADDING);
		struct native_packet padded;

		memcpy(longer, data, size);
		memset(longer + size, data[size - 1], PADDING);
		padded = parse_of(longer, size + PADDING, size + PADDING);
		must(!memcmp(&whole, &padded, sizeof(whole)), "padding behind the packet changes nothing");
		free(longer);
	}

	/* Only a part of the frame is linear, as an skb may have it: its other bytes must not be read. */
	const size_t linear = size ? data[0] % (size + 1) : 0;
	const struct native_packet part = parse_of(data, linear, size);
	must(part.kind != native_transport || !memcmp(&whole, &part, sizeof(whole)),
	     "a transport read from the linear part is that of the whole frame");
	return 0;
}
