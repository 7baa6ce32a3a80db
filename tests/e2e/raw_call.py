# SPDX-License-Identifier: Apache-2.0
"""One HTTP call over a Unix socket, exactly as given: raw_call.py SOCKET METHOD TARGET BODY. Prints status and body."""
import http.client
import socket
import sys

path, method, target, body = sys.argv[1:5]
connection = http.client.HTTPConnection("localhost")
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.settimeout(60)
connection.sock.connect(path)
connection.request(method, target, body.encode(), {"Content-Type": "application/json"})
answer = connection.getresponse()
print(answer.status, answer.read().decode().replace("\n", " "))
