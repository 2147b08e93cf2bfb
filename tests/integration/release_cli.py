#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`cairn release` and `cairn deposit verify|list|show|export` without a network.

usage: release_cli.py PATH-TO-CAIRN PATH-TO-CERTIFICATE_FILES [unittest arguments]

Certificates come from certificate_files.c. Where a cairnd is needed, a few
lines of Python speak docs/ADMIN.md in its place, and lie where a test wants it.
"""

import http.server
import json
import os
import shutil
import socketserver
import stat
import subprocess
import sys
import tempfile
import threading
import unittest

CAIRN = os.path.abspath(sys.argv.pop(1))
FILES = os.path.abspath(sys.argv.pop(1))
CLEAN = {k: v for k, v in os.environ.items() if not k.startswith("CAIRN_")}
HOSTILE = "evil\x1b[2J\n\u202ename"


def run(*args, check=None, env=None, text=True, **more):
    done = subprocess.run([CAIRN, *args], capture_output=True, text=text, timeout=120,
                          stdin=subprocess.DEVNULL, env={**CLEAN, **(env or {})}, start_new_session=True, **more)
    if check is not None and done.returncode != check:
        raise AssertionError(f"cairn {' '.join(args)}: exit {done.returncode}, not {check}\n"
                             f"{done.stdout}{done.stderr}")
    return done


class Cairnd(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Answers with what stands in `answers`: (method, path) -> (code, bytes)."""
    daemon_threads = True

    def __init__(self, path):
        self.answers, self.posted = {}, []

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.command == "POST":
                    self.server.posted.append((self.path, body))
                unknown = 404, error(5, "nothing is known of this")
                code, data = self.server.answers.get((self.command, self.path), unknown)
                self.send_response(code)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                try:
                    self.wfile.write(data)
                except OSError:
                    pass

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        super().__init__(path, Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def put(self, method, path, schema=None, code=200, data=None, **fields):
        if data is None:
            data = json.dumps({"schema": schema, "covers": "this node", "as_of": "2027-01-15T08:00:00Z",
                               **fields}).encode()
        self.answers[method, path] = code, data


def error(status, text):
    return json.dumps({"schema": "cairn.error/1", "status": status, "error": text}).encode()


class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.files = tempfile.mkdtemp(prefix="cairn-test-")
        subprocess.run([FILES], check=True, capture_output=True, env={**CLEAN, "CAIRN_FILES": cls.files})
        with open(os.path.join(cls.files, "fingerprint")) as f:
            cls.fingerprint = f.read()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.files)

    def setUp(self):
        self.temp = tempfile.mkdtemp(prefix="cairn-test-")
        self.addCleanup(shutil.rmtree, self.temp, ignore_errors=True)

    def path(self, *names):
        return os.path.join(self.temp, *names)

    def cert(self, name):
        return os.path.join(self.files, name + ".cert")

    def read(self, path):
        with open(path, "rb") as f:
            return f.read()

    def request(self, *more, certificate="good", out="req", check=0, **kw):
        return run("release", "request", self.cert(certificate), "--name", "University of Elsewhere",
                   "--purpose", "To study what it learned", "-o", self.path(out), *more, check=check, **kw)

    # -- a certificate

    def test_what_a_certificate_proves(self):
        done = run("deposit", "verify", self.cert("good"), check=0)
        for words in ("Grüß", "any 4 of 7 shards", "any 3 of 7 key shares", "192.0 KiB", self.fingerprint,
                      "receipts  7 of 7", "2027-01-15T08:01:06Z", "sealed    yes"):
            self.assertIn(words, done.stdout)
        self.assertIn("sealed    yes", run("deposit", "verify", self.cert("least"), check=0).stdout)
        got = json.loads(run("deposit", "verify", "--json", self.cert("good"), check=0).stdout)
        self.assertEqual((got["schema"], got["sealed"], got["receipts"], got["fingerprint"]),
                         ("cairn.deposit.verify/1", True, 7, self.fingerprint))
        self.assertEqual(len(got["stewards"]), 7)

    def test_what_is_missing_is_said(self):
        done = run("deposit", "verify", self.cert("unsealed"), check=1)
        for words in ("sealed    NO: do not delete your copy", "the receipt of Archive for shard 6",
                      "1 more custodians"):
            self.assertIn(words, done.stdout)
        got = json.loads(run("deposit", "verify", "--json", self.cert("unsealed"), check=1).stdout)
        self.assertEqual((got["sealed"], got["receipts"], got["acknowledgements"]), (False, 6, 4))
        self.assertIsNone(got["stewards"][6]["receipt"])

    def test_false_certificates(self):
        for name, code, words in (("root", 20, "receipt 3: the shard"), ("content", 20, "receipt 7: its content"),
                                  ("lab", 12, "the lab did not sign it"), ("author", 12, "no lab of this network")):
            done = run("deposit", "verify", self.cert(name), check=code)
            self.assertIn(words, done.stderr)
            self.assertEqual(done.stdout, "")
            self.request(certificate=name, check=code)
            self.assertEqual(os.listdir(self.temp), [])
        run("deposit", "verify", os.path.join(self.files, "ticket"), check=20)
        run("deposit", "verify", self.path("none"), check=10)
        run("deposit", "verify", check=2)
        short = self.path("short")
        with open(short, "wb") as f:
            f.write(self.read(self.cert("good"))[:-1])
        self.assertIn("damaged", run("deposit", "verify", short, check=20).stderr)

    def test_names_of_others_do_not_speak_to_the_terminal(self):
        done = run("deposit", "verify", self.cert("wicked"), check=0)
        self.assertNotIn("\u202e", done.stdout)
        self.assertIn("cat???lab", done.stdout)
        done = self.request(certificate="wicked")
        self.assertNotIn("\u202e", done.stdout)
        self.assertIn("Label: cat<U+202E>lab", run("release", "show", "--file", self.path("req"), check=0).stdout)

    # -- a request

    def test_a_request_and_its_keys(self):
        made = json.loads(self.request("--json").stdout)
        self.assertEqual(made["schema"], "cairn.release.request/1")
        self.assertEqual(stat.S_IMODE(os.stat(self.path("req.key")).st_mode), 0o600)
        self.assertEqual(self.read(self.path("req.key"))[:6], b"CRNK\1\0")
        shown = json.loads(run("release", "show", "--json", "--file", self.path("req"), check=0).stdout)
        self.assertEqual(shown["schema"], "cairn.release.show/1")
        self.assertIsNone(shown["node"])
        for key in ("release", "fingerprint", "deposit", "label", "purpose", "hpke_key", "expires"):
            self.assertEqual(shown[key], made[key])
        self.assertEqual(shown["recipient"], "University of Elsewhere")
        self.assertEqual(shown["network_fingerprint"], self.fingerprint)
        text = run("release", "show", "--file", self.path("req"), "--to-sign", self.path("text"), check=0).stdout
        self.assertEqual(self.read(self.path("text")).decode(), shown["text"])
        self.assertTrue(text.startswith(shown["text"]))
        self.assertIn(made["fingerprint"], text)
        # Another one has other keys, and another nonce.
        other = json.loads(self.request("--json", "--keys", self.path("k2"), "--days", "1", out="req2").stdout)
        self.assertNotEqual(other["hpke_key"], made["hpke_key"])
        self.assertNotEqual(other["transport_key"], made["transport_key"])
        self.assertTrue(os.path.exists(self.path("k2")) and not os.path.exists(self.path("req2.key")))

    def test_nothing_is_overwritten(self):
        self.request()
        before = self.read(self.path("req")), self.read(self.path("req.key"))
        self.assertIn("never overwritten", self.request(check=1).stderr)
        self.request("--keys", self.path("req.key"), out="other", check=1)
        self.assertEqual(before, (self.read(self.path("req")), self.read(self.path("req.key"))))
        self.assertFalse(os.path.exists(self.path("other")))
        # Keys of a request that could not be written are of no use.
        self.request("--keys", self.path("k"), out="no/folder", check=10)
        self.assertFalse(os.path.exists(self.path("k")))

    def test_a_certificate_replaces_no_model(self):
        os.mkdir(self.path("model"))
        weights = self.path("model", "weights")
        with open(weights, "wb") as f:
            f.write(b"the only copy")
        done = run("deposit", "create", "--home", self.path("lab"), "--certificate", weights, self.path("model"),
                   check=1)
        self.assertIn("is no certificate", done.stderr)
        self.assertEqual(self.read(weights), b"the only copy")
        self.assertFalse(os.path.exists(self.path("lab")))

    def test_sealed_keys(self):
        with open(self.path("pass"), "w") as f:
            f.write("correct horse\n")
        os.chmod(self.path("pass"), 0o600)
        self.request("--passphrase-file", self.path("pass"))
        self.assertEqual(self.read(self.path("req.key"))[:6], b"CRNK\1\1")

    def test_an_unsealed_deposit_is_noted(self):
        self.assertIn("was not sealed", self.request(certificate="unsealed").stderr)

    def test_wrong_flags(self):
        base = ["release", "request", self.cert("good"), "-o", self.path("req")]
        named = [*base, "--name", "Me", "--purpose", "To see"]
        for args in (base, base + ["--name", "Me"], base + ["--purpose", "To see"],
                     [*base, "--name", "a\nb", "--purpose", "x"], [*base, "--name", "x", "--purpose", "\x1b[2J"],
                     [*base, "--name", "", "--purpose", "x"], [*base, "--name", "n" * 201, "--purpose", "x"],
                     [*base, "--name", "x", "--purpose", "p" * 2001], [*named, "--days", "0"],
                     [*named, "--days", "401"], [*named, "--days", "x"], ["release", "request", self.cert("good"),
                     "--name", "x", "--purpose", "y"], ["release", "request"], ["release", "nonsense"],
                     ["release", "show"], ["release", "show", "12345678", "--file", "x"], ["release", "show", "1234567"],
                     ["release", "show", "../../etc/"], ["release", "status", "g" * 64], ["release", "status", "a" * 65],
                     ["release", "approve", "a" * 64], ["release", "deny", "a" * 64],
                     ["release", "ticket", "a" * 64], ["deposit", "show", "x"], ["deposit", "export"],
                     ["release", "list"], ["deposit", "list"]):
            done = run(*args, check=2)
            self.assertEqual(done.stdout, "")
            self.assertGreaterEqual(len(done.stderr.splitlines()), 2, done.stderr)
        for args in (["release", "ticket"], ["deposit", "export"]):  # Octets or JSON, not both.
            done = run(*args, "--json", "a" * 64, check=2)
            self.assertEqual(json.loads(done.stderr)["code"], 2)
        self.assertEqual(os.listdir(self.temp), [])
        run(*named, "--days", "400", check=0)
        for command in ("request", "submit", "list", "show", "approve", "deny", "status", "ticket"):
            self.assertIn("  cairn release " + command, run("release", command, "--help", check=0).stdout)
        for command in ("list", "show", "export", "verify"):
            self.assertIn("  cairn deposit " + command, run("deposit", command, "--help", check=0).stdout)

    def test_what_is_no_request(self):
        for bad in (b"", b"\x91\x01", b"x" * 9000):
            with open(self.path("bad"), "wb") as f:
                f.write(bad)
            for args in (("show", "--file"), ("submit", "--socket", self.path("none"))):
                done = run("release", *args, self.path("bad"))
                self.assertIn(done.returncode, (1, 20), done.stderr)

    # -- no cairnd

    def test_no_cairnd_is_listening(self):
        ident, req = "ab" * 32, self.path("req")
        self.request()
        for args in (("release", "list"), ("release", "show", ident), ("release", "status", ident),
                     ("release", "submit", req), ("release", "deny", "--yes", ident),
                     ("release", "ticket", ident, "-o", self.path("t")), ("release", "approve", ident, "--signature", req),
                     ("deposit", "list"), ("deposit", "show", ident), ("deposit", "export", ident)):
            done = run(*args, "--home", self.temp, check=30)
            self.assertIn(f"no cairnd is listening at '{self.temp}/admin.sock'; start it with 'cairnd run --home "
                          f"{self.temp}'", done.stderr)
        self.assertFalse(os.path.exists(self.path("t")))
        for more, where in ((("--socket", "/a"), "/a"), ((), "/b")):
            done = run("release", "list", "--home", "/c", *more, env={"CAIRN_SOCKET": "/b"}, check=30)
            self.assertIn(f"at '{where}'", done.stderr)
        done = run("release", "list", env={"CAIRN_HOME": self.temp}, check=30)
        self.assertIn(f"at '{self.temp}/admin.sock'", done.stderr)
        self.assertIn("no home '/d'", run("release", "list", env={"CAIRN_HOME": "/d"}, check=10).stderr)
        got = json.loads(run("release", "list", "--json", "--home", self.temp, check=30).stderr)
        self.assertEqual((got["schema"], got["code"]), ("cairn.error/1", 30))
        self.assertIn("too long", run("release", "list", "--socket", "/" + "x" * 120, check=1).stderr)

    # -- a cairnd

    def serve(self):
        self.node = Cairnd(self.path("s"))
        self.addCleanup(self.node.server_close)
        self.addCleanup(self.node.shutdown)
        return self.node

    def ask(self, *args, **kw):
        return run(*args, "--socket", self.path("s"), env={"http_proxy": "http://127.0.0.1:1"}, **kw)

    def release(self, **more):
        made = json.loads(self.request("--json").stdout)
        ident = made["release"]
        self.fields = {"id": ident, "deposit": made["deposit"], "label": made["label"], "recipient": "U",
                       "purpose": "p", "requested": "2027-01-15T08:00:00Z", "expires": "2027-02-15T08:00:00Z",
                       "state": "known", "open": False, "denied": False, "expired": False,
                       "approvals": [], "decisions": [], "needed": "quorum(3, steward)", "decisions_needed": 3,
                       "trouble": None}
        node = self.serve()
        for name in (ident, ident[:12]):
            node.put("GET", f"/v1/releases/{name}", "cairn.release/1", **{**self.fields, **more})
            node.put("GET", f"/v1/releases/{name}/request", data=self.read(self.path("req")))
        return ident

    def test_submit(self):
        ident = self.release()
        self.node.put("POST", "/v1/releases", "cairn.submitted/1", release=ident)
        self.assertIn(ident, self.ask("release", "submit", self.path("req"), check=0).stdout)
        self.assertEqual(self.node.posted, [("/v1/releases", self.read(self.path("req")))])
        self.node.put("POST", "/v1/releases", "cairn.submitted/1", release="00" * 32)
        self.ask("release", "submit", self.path("req"), check=20)
        self.node.put("POST", "/v1/releases", "cairn.submitted/1")
        self.ask("release", "submit", self.path("req"), check=20)

    def test_show_is_made_from_the_bytes(self):
        ident = self.release(label=HOSTILE, approvals=["South", HOSTILE])
        done = self.ask("release", "show", ident[:12].upper(), "--to-sign", self.path("text"), check=0)
        text = self.read(self.path("text")).decode()
        self.assertTrue(done.stdout.startswith(text))
        self.assertIn("Label: Grüß\n", text)
        self.assertIn("quorum(3, steward)", done.stdout)
        self.assertIn("approved by  South, evil?[2J???", done.stdout)
        got = json.loads(self.ask("release", "show", "--json", ident, check=0).stdout)
        self.assertEqual((got["text"], got["node"]["needed"]), (text, "quorum(3, steward)"))
        # A node that gives out another request is not believed.
        self.request(out="other")
        self.node.put("GET", f"/v1/releases/{ident}/request", data=self.read(self.path("other")))
        for args in (("show", ident), ("approve", ident, "--signature", self.path("text"))):
            self.assertIn("another request", self.ask("release", *args, check=20).stderr)
        self.node.put("GET", f"/v1/releases/{ident}/request", data=b"x" * 8193)
        self.assertIn("longer than 8192", self.ask("release", "show", ident, check=1).stderr)
        self.node.put("GET", f"/v1/releases/{ident}/request", data=b"x" * 1_000_000)
        self.assertIn("longer than 8192", self.ask("release", "show", ident, check=1).stderr)

    def test_approve(self):
        ident = self.release()
        self.node.put("POST", f"/v1/releases/{ident}/approval", "cairn.approved/1")
        self.ask("release", "show", ident, "--to-sign", self.path("text"), check=0)
        keygen = ["ssh-keygen", "-q", "-f", self.path("op")]
        subprocess.run([*keygen, "-t", "ed25519", "-N", ""], check=True)
        subprocess.run(["ssh-keygen", "-Y", "sign", "-q", "-f", self.path("op"), "-n", "cairn-approval@v1",
                        self.path("text")], check=True, capture_output=True)
        self.assertIn(ident, self.ask("release", "approve", ident[:12], "--signature", self.path("text.sig"),
                                      check=0).stdout)
        (path, body), = self.node.posted
        self.assertEqual((path, body[:6]), (f"/v1/releases/{ident}/approval", b"SSHSIG"))
        # Of another text, for another purpose, or none: nothing is sent.
        shutil.copy(self.path("req"), self.path("raw"))
        for name, ns in (("raw", "cairn-approval@v1"), ("text", "cairn-charter@v1")):
            if os.path.exists(self.path(name + ".sig")):
                os.remove(self.path(name + ".sig"))
            subprocess.run(["ssh-keygen", "-Y", "sign", "-q", "-f", self.path("op"), "-n", ns, self.path(name)],
                           check=True, capture_output=True)
            done = self.ask("release", "approve", ident, "--signature", self.path(name + ".sig"), check=12)
            self.assertIn("does not sign the text of this request", done.stderr)
        self.ask("release", "approve", ident, "--signature", self.path("req"), check=20)
        self.ask("release", "approve", ident, "--signature", self.path("none"), check=10)
        self.assertEqual(len(self.node.posted), 1)

    def test_deny(self):
        ident = self.release()
        self.node.put("POST", f"/v1/releases/{ident}/denial", "cairn.denied/1")
        self.assertIn("give --yes", self.ask("release", "deny", ident, check=2).stderr)
        self.assertEqual(self.node.posted, [])
        self.ask("release", "deny", "--yes", ident, check=0)
        self.assertEqual(self.node.posted, [(f"/v1/releases/{ident}/denial", b"")])

    def test_status(self):
        for more, code, words in (({}, 22, "waiting"), ({"open": True}, 0, "open"), ({"expired": True}, 1, "expired"),
                                  ({"denied": True, "trouble": HOSTILE}, 22, "trouble    evil?[2J"),
                                  ({"approvals": ["South"], "decisions": ["South"]}, 22, "decided    1 custodians (3 needed)")):
            with self.subTest(more):
                ident = self.release(**more)
                self.assertIn(words, self.ask("release", "status", ident, check=code).stdout)
                got = json.loads(self.ask("release", "status", "--json", ident, check=code).stdout)
                self.assertEqual((got["schema"], got["id"]), ("cairn.release.status/1", ident))
                self.doCleanups()
                self.setUp()

    def test_release_list(self):
        self.release()
        self.node.put("GET", "/v1/releases", "cairn.releases/1", releases=[])
        self.assertEqual(self.ask("release", "list", check=0).stdout, "")
        self.node.put("GET", "/v1/releases", "cairn.releases/1",
                      releases=[{**self.fields, "recipient": HOSTILE}, {**self.fields, "open": True}])
        out = self.ask("release", "list", check=0).stdout
        self.assertEqual(len(out.splitlines()), 3)
        self.assertIn("for evil?[2J????name", out)
        got = json.loads(self.ask("release", "list", "--json", check=0).stdout)
        self.assertEqual((got["schema"], len(got["releases"])), ("cairn.release.list/1", 2))

    def test_ticket(self):
        ident = self.release()
        self.node.put("GET", f"/v1/releases/{ident}/ticket", code=409, data=error(8, "two approvals are missing"))
        done = self.ask("release", "ticket", ident, "-o", self.path("t"), check=22)
        self.assertIn("two approvals are missing", done.stderr)
        with open(os.path.join(self.files, "ticket"), "rb") as f:
            ticket = f.read()
        # A ticket of another release is none.
        self.node.put("GET", f"/v1/releases/{ident}/ticket", data=ticket)
        self.ask("release", "ticket", ident, "-o", self.path("t"), check=20)
        self.assertFalse(os.path.exists(self.path("t")))
        req = self.read(self.path("req"))
        ours = ticket.replace(b"\xc4\x07request", b"\xc5" + len(req).to_bytes(2, "big") + req)
        self.node.put("GET", f"/v1/releases/{ident}/ticket", data=ours)
        self.ask("release", "ticket", ident, "-o", self.path("t"), check=0)
        self.assertEqual(self.read(self.path("t")), ours)
        self.assertEqual(stat.S_IMODE(os.stat(self.path("t")).st_mode), 0o600)
        self.assertEqual(self.ask("release", "ticket", ident, check=0, text=False).stdout, ours)
        got = json.loads(self.ask("release", "ticket", "--json", ident, "-o", self.path("t"), check=0).stdout)
        self.assertEqual(got["schema"], "cairn.release.ticket/1")

    def test_deposit_list_and_show(self):
        deposit = {"id": "ab" * 32, "label": HOSTILE, "lab": "Lab", "state": "held", "shard": 2, "n": 7, "k": 4,
                   "t": 3, "plain_size": 196608, "receipts": 7, "acknowledgements": 5, "data_margin": 3,
                   "key_margin": 2, "sealed": True, "proof": {"kind": "receipt", "newest": "N", "oldest": "O"}}
        unknown = {"id": "cd" * 32, "label": None, "state": "none", "n": None, "receipts": 0, "sealed": None}
        self.serve()
        self.node.put("GET", "/v1/deposits", "cairn.deposits/1", deposits=[deposit], next="ab" * 32)
        self.node.put("GET", "/v1/deposits?after=" + "ab" * 32, "cairn.deposits/1", deposits=[unknown])
        lines = self.ask("deposit", "list", check=0).stdout.splitlines()
        self.assertEqual(len(lines), 3)
        for words in ("abababababababab", "sealed", "7 of 7", "5 of 7", "192.0 KiB", "evil?[2J????name"):
            self.assertIn(words, lines[1])
        got = json.loads(self.ask("deposit", "list", "--json", check=0).stdout)
        self.assertEqual((got["schema"], [d["id"] for d in got["deposits"]], "next" in got),
                         ("cairn.deposit.list/1", ["ab" * 32, "cd" * 32], False))
        self.node.put("GET", "/v1/deposits?after=" + "ab" * 32, "cairn.deposits/1", deposits=[], next="ab" * 32)
        self.ask("deposit", "list", check=0)
        self.node.put("GET", "/v1/deposits", "cairn.deposits/1", deposits=[deposit], next="x\r\nEvil: 1")
        self.ask("deposit", "list", check=20)
        stewards = [{"shard": i, "name": HOSTILE, "id": "ef" * 32, "receipt": "R" if i else None,
                     "acknowledgement": bool(i)} for i in range(7)]
        self.node.put("GET", "/v1/deposits/" + "ab" * 4, "cairn.deposit/1", policy="quorum(3, steward)",
                      stewards=stewards, **deposit)
        out = self.ask("deposit", "show", "ab" * 4, check=0).stdout
        self.assertIn("quorum(3, steward)", out)
        self.assertEqual(out.count("evil?[2J????name"), 8)
        self.assertNotIn("\x1b", out)

    def test_deposit_export(self):
        self.serve()
        cert = self.read(self.cert("good"))
        ident = json.loads(run("deposit", "verify", "--json", self.cert("good"), check=0).stdout)["deposit"]
        path = f"/v1/deposits/{ident}/certificate"
        self.node.put("GET", path, data=cert)
        self.assertEqual(self.ask("deposit", "export", ident, check=0, text=False).stdout, cert)
        self.ask("deposit", "export", ident, "-o", self.path("c"), check=0)
        self.assertEqual(self.read(self.path("c")), cert)
        self.node.put("GET", path, data=self.read(self.cert("root")))
        self.ask("deposit", "export", ident, "-o", self.path("c2"), check=20)
        self.assertFalse(os.path.exists(self.path("c2")))
        self.node.put("GET", f"/v1/deposits/{'00' * 32}/certificate", data=cert)
        self.assertIn("another deposit", self.ask("deposit", "export", "00" * 32, check=20).stderr)

    def test_answers_that_are_none(self):
        self.serve()
        url = "/v1/releases"
        for code, data, want, words in (
                (404, error(5, "no such release" + HOSTILE), 10, "no such releaseevil?[2J"),
                (403, error(9, "not you"), 12, "not you"), (409, error(8, "later"), 22, "later"),
                (500, b"oops", 1, "error 500"), (500, error(99, "x"), 1, "error 500"), (302, b"", 1, "error 302"),
                (500, error(-5, "x"), 1, "error 500"), (200, b"{}", 20, "same version"),
                (200, b"", 20, "same version"), (200, b'{"schema":"cairn.releases/2"}', 20, "same version"),
                (200, b'{"schema":"cairn.releases/1"', 20, "same version"),
                (200, b'{"schema":"cairn.releases/1","a":1,"a":2}', 20, "same version"),
                (200, b"[" * 3000, 20, "same version")):
            self.node.put("GET", url, code=code, data=data)
            done = self.ask("release", "list", check=want)
            self.assertIn(words, done.stderr)
            self.assertNotIn("\x1b", done.stderr)
        # Lists that are none show nothing.
        for wrong in ({}, {"releases": 5}, {"releases": [1, None, {}]}):
            self.node.put("GET", url, "cairn.releases/1", **wrong)
            self.ask("release", "list", check=0)


if __name__ == "__main__":
    unittest.main()
