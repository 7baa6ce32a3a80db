# SPDX-License-Identifier: Apache-2.0
"""An https server that keeps what audit webhooks bring, if it is signed: webhook_receiver.py PORT CERTIFICATE KEY SECRET FOLDER.
What came to /NAME stands in FOLDER/NAME, a record a line."""
import hashlib
import hmac
import http.server
import ssl
import sys

PORT, CERTIFICATE, KEY, SECRET, FOLDER = sys.argv[1:6]


class Hook(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        signed = self.headers["X-Postern-Timestamp"].encode() + b"." + body
        wanted = "v1=" + hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
        good = hmac.compare_digest(wanted, self.headers["X-Postern-Signature"])
        if good:
            with open(FOLDER + "/" + self.path.strip("/"), "ab") as file:
                file.write(body + b"\n")
        self.send_response(204 if good else 401)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(PORT)), Hook)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE, KEY)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
