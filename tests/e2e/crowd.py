# SPDX-License-Identifier: Apache-2.0
"""crowd.py SOCKET ROUND CLIENTS: so many ask for access at the same time, each again and again and for another source, until
the daemon is gone. Prints the serial of each grant that was answered. Every fifth asks for too long, and is refused."""
import http.client
import json
import os
import socket
import sys
import threading

SOCKET, ROUND, CLIENTS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


class UnixConnection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(SOCKET)


def say(*lines):  # one write: the others' lines stay apart
    os.write(1, "".join(line + "\n" for line in lines).encode())


def ask(number):
    api = UnixConnection("localhost")
    for n in range(60000):
        port = {"number": 22, "duration": "PT9H" if number % 5 == 4 else "PT1H",
                "sources": ["%d.%d.%d.%d" % (11 + ROUND, number, n // 250, n % 250 + 1)]}
        try:
            api.request("POST", "/v1/requests", json.dumps({"machines": [{"machine": "vm1", "ports": [port]}]}),
                        {"Content-Type": "application/json"})
            answer = api.getresponse()
            body = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            return
        expected = 400 if number % 5 == 4 else 201
        if answer.status != expected:
            say("status %d %s" % (answer.status, body))
            return
        if answer.status == 201:
            say(*(str(grant["serial"]) for grant in body["grants"]))


threads = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
