# SPDX-License-Identifier: Apache-2.0
"""text_seeds.py [--http] FILE… FOLDER: each string literal of these tests, one a file: the seeds of the fuzzers of text. With --http bodies
and paths among them also as whole requests."""
import hashlib
import pathlib
import re
import sys

as_requests = sys.argv[1] == "--http"
folder, files = pathlib.Path(sys.argv[-1]), sys.argv[2 if as_requests else 1:-1]
folder.mkdir(parents=True, exist_ok=True)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}


def literals(text):
    for raw, plain in re.findall(r'R"\((.*?)\)"|"((?:[^"\\\n]|\\.)*)"', text, re.S):
        yield raw or re.sub(r"\\(.)", lambda found: ESCAPES.get(found[1], found[1]), plain)


def requests(literal):
    if literal.startswith("/"):
        yield f"GET {literal} HTTP/1.1\r\nHost: localhost:7822\r\n\r\n"
    if literal.startswith(("{", "[")):
        yield f"POST /v1/requests?x=%20 HTTP/1.1\r\nHost: [::1]:7822\r\nContent-Length: {len(literal.encode())}\r\n\r\n{literal}"
    if "HTTP/1.1" in literal:
        yield literal


for file in files:
    for literal in literals(pathlib.Path(file).read_text()):
        for seed in {literal, *requests(literal)} if as_requests else {literal}:
            data = seed.encode(errors="surrogateescape")
            if data:
                (folder / hashlib.sha1(data).hexdigest()[:16]).write_bytes(data)
