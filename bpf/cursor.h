/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where the parser stands, and how to step over IPv6 extension headers. Plain C and C++. */
#ifndef POSTERN_CURSOR_H
#define POSTERN_CURSOR_H

#include "packet.h"

#define PARSE_EXTENSIONS_MAX 8

/* Offsets stay far below this; the verifier wants to see a limit. */
#define PARSE_OFFSET_MAX 0xe000

struct cursor {
	const void *data;
	const void *end; /* of what can be read; egress frames may go on beyond it */
	__u32 offset;    /* from data */
	__u32 left;      /* bytes from here that belong to the packet: as the frame says, then as IP says */
};

/* The header of that type at the cursor; 0 if it does not lie wholly within the packet and within what can be read. */
#define HEADER_AT(cursor, type) ((const struct type *)header_at(cursor, sizeof(struct type)))

static __always_inline const void *header_at(struct cursor cursor, __u32 bytes)
{
	const __u8 *header = (const __u8 *)cursor.data;

	if (cursor.offset > PARSE_OFFSET_MAX || cursor.left < bytes)
		return 0;
	header += cursor.offset;
	__asm__ volatile("" : "+r"(header)); /* the verifier must see the checked pointer used, not one like it */
	return (const void *)(header + bytes) > cursor.end ? 0 : header;
}

/* Moves behind that many bytes; 0 if they reach beyond the packet. */
static __always_inline int skip(struct cursor *cursor, __u32 bytes)
{
	if (bytes > cursor->left)
		return 0;
	cursor->offset += bytes;
	cursor->left -= bytes;
	return 1;
}

/* The parser comes in pieces that the verifier proves one by one; between them the cursor rests in the packet. */
static __always_inline __u8 to_be_continued(struct cursor cursor, __u8 kind, struct packet *packet)
{
	packet->continued_at = (__u16)cursor.offset;
	packet->payload_bytes = cursor.left;
	return kind;
}

static __always_inline struct cursor continued(const void *data, const void *end, struct packet *packet)
{
	const struct cursor cursor = {data, end, packet->continued_at, packet->payload_bytes};

	packet->continued_at = 0;
	packet->payload_bytes = 0;
	return cursor;
}

static __always_inline int is_extension(__u8 protocol)
{
	return protocol == PROTOCOL_HOP_BY_HOP || protocol == PROTOCOL_ROUTING || protocol == PROTOCOL_FRAGMENT ||
	       protocol == PROTOCOL_DESTINATION_OPTIONS || protocol == PROTOCOL_AUTHENTICATION;
}

/* Moves behind the extension header of this protocol at the cursor; 0 if it reaches beyond the packet. */
static __always_inline int skip_extension(struct cursor *cursor, __u8 protocol, const struct extension_header *header)
{
	if (protocol == PROTOCOL_FRAGMENT)
		return skip(cursor, sizeof(*header));
	if (protocol == PROTOCOL_AUTHENTICATION)
		return skip(cursor, ((__u32)header->length + 2) * 4);
	return skip(cursor, ((__u32)header->length + 1) * 8);
}

#endif
