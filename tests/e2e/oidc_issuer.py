# SPDX-License-Identifier: Apache-2.0
"""An OIDC issuer for the tests, with keys by python3-jwcrypto: another implementation than the daemon's.

    oidc_issuer.py key FOLDER KID ALGORITHM     makes a key, and writes FOLDER/keys.json anew with all that there are
    oidc_issuer.py forget FOLDER KID            takes it away
    oidc_issuer.py token FOLDER KID ALGORITHM CLAIMS   prints a token; CLAIMS is JSON, put over good ones
    oidc_issuer.py serve FOLDER ADDRESS PORT CERTIFICATE KEY
"""
import http.server
import json
import os
import pathlib
import ssl
import sys
import time

from jwcrypto import jwk, jws

VERB, FOLDER = sys.argv[1], pathlib.Path(sys.argv[2])


def publish():
    keys = [jwk.JWK.from_json(path.read_text()).export_public(as_dict=True) for path in sorted(FOLDER.glob("*.jwk"))]
    (FOLDER / "new").write_text(json.dumps({"keys": keys}))
    os.chmod(FOLDER / "new", 0o644)
    os.rename(FOLDER / "new", FOLDER / "keys.json")


if VERB == "key":
    kid, algorithm = sys.argv[3:5]
    what = {"kty": "RSA", "size": 2048} if algorithm[0] != "E" else {"kty": "EC", "crv": "P-256"}
    (FOLDER / f"{kid}.jwk").write_text(jwk.JWK.generate(kid=kid, use="sig", **what).export())
    publish()
elif VERB == "forget":
    (FOLDER / f"{sys.argv[3]}.jwk").unlink()
    publish()
elif VERB == "token":
    kid, algorithm, more = sys.argv[3:6]
    now = int(time.time())
    claims = {"iss": "https://issuer.example", "aud": "postern", "sub": "alice", "iat": now, "nbf": now, "exp": now + 600,
              "roles": ["engineers"]} | json.loads(more)
    token = jws.JWS(json.dumps(claims))
    token.add_signature(jwk.JWK.from_json((FOLDER / f"{kid}.jwk").read_text()), None, json.dumps({"alg": algorithm, "kid": kid}))
    print(token.serialize(compact=True))
elif VERB == "serve":
    address, port, certificate, key = sys.argv[3:7]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(FOLDER))

    server = http.server.ThreadingHTTPServer((address, int(port)), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()
