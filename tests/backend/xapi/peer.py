#!/usr/bin/env python3
"""A toolstack's XML-RPC socket, made of Python's own http.server and xmlrpc, for tests.

    peer.py --socket PATH --folder FOLDER [--generation guard|old-guard|xapi|old-xapi]
            [--delay MILLISECONDS]

What it knows is in FOLDER, so that a test can look at it and change it at any time:

    nvram          the key EFI-variables of VM.NVRAM; the VM has no such key when there is no file
    certificates   VM.secureboot_certificates_state (default: ok)
    power          VM.power_state (default: Halted); a guard does not say it
    fault          METHOD KIND [COUNT], or nothing: what goes wrong; see FAULTS
    calls          written: one line for each call, METHOD PARAMETER... without base64 and session
    agents         written: the User-Agent of each call, one a line
    requests/      written: the body of each request, as it came
    listening      written: calls are taken

It is as the real ones are (docs/toolstack.md, "XML-RPC"): xapi-guard and xapi of August 2026, and what
was different in older ones.
"""

import argparse
import fcntl
import http.server
import os
import socketserver
import struct
import sys
import threading
import time
import xml.parsers.expat
import xmlrpc.client
from xml.sax.saxutils import escape

GENERATIONS = ("guard", "old-guard", "xapi", "old-xapi")
SET = "VM.set_NVRAM_EFI_variables"
CERTIFICATES = "VM.get_secureboot_certificates_state"
WORDS = ("yes", "no", "unspecified")

# The answers that are a Failure, in every shape that a description has.
FAILURES = {
    "failure": ["SOME_CODE", "one", "two"],
    "failure-bare": "Unknown_error",
    "failure-nested": [["SOME_CODE", ["one", ["two"]]]],
    "failure-empty": [],
    "failure-none": None,
    "internal-error": ["Internal_error", 'Unix.Unix_error(Unix.ECONNREFUSED, "connect", "")'],
    "server-error": ["Internal_error", 'Server_error(UUID_INVALID, [ "VM"; "x" ])'],
    "marshal-error": ["Internal_error", 'Idl.MarshalError("Expecting string, got nothing")'],
    "xmlm-error": ["Internal_error", "Xmlm.Error(_)"],
    "session-lost": ["Internal_error", 'Server_error(SESSION_INVALID, [ "OpaqueRef:1" ])'],
    "bad-enum": ["INTERNAL_ERROR", 'Failure("Unknown tag/contents")'],
    "host-is-slave": ["HOST_IS_SLAVE", "10.0.0.7"],
    "session-invalid": ["SESSION_INVALID", "OpaqueRef:1"],
    "handle-invalid": ["HANDLE_INVALID", "VM", "OpaqueRef:2"],
    "still-booting": ["HOST_STILL_BOOTING"],
}
# All others. The toolstack does what it was asked for in the last of them, and in no other.
FAULTS = ("closed", "truncated", "hangs", "http-500", "not-xml", "huge", "slow", "fault",
          *FAILURES, "answer-lost")


SIOCOUTQ = 0x5411  # of Linux: the bytes that the other side has not read
# xapi reads no request of more bytes than this.
MOST_BYTES = 300 * 1024
# How many parameters a call has behind its session, and those of them that may be missing.
PARAMETERS = {
    "session.login_with_password": (3, 0),
    "session.logout": (0, 0),
    "VM.get_by_uuid": (1, 0),
    "VM.get_NVRAM": (1, 0),
    "VM.get_power_state": (1, 0),
    "VM.get_platform": (1, 0),
    CERTIFICATES: (1, 0),
    SET: (3, 1),
    SET + "_v2": (3, 0),
    "message.create": (5, 0),
}


class Refused(Exception):
    """A Failure with this ErrorDescription."""


def bare(value):
    """A value as xapi's own library writes it: strings and numbers without a type."""
    if value is None:
        return "<value><nil/></value>"
    if isinstance(value, dict):
        members = "".join(f"<member><name>{escape(name)}</name>{bare(item)}</member>"
                          for name, item in value.items())
        return f"<value><struct>{members}</struct></value>"
    if isinstance(value, list):
        return f"<value><array><data>{''.join(map(bare, value))}</data></array></value>"
    return f"<value>{escape(str(value))}</value>"


class Toolstack:
    """What one of the generations answers to each method."""

    def __init__(self, folder, generation):
        self.folder = folder
        self.generation = generation
        self.is_guard = generation.endswith("guard")
        self.sessions = set()
        self.lock = threading.Lock()
        self.calls = 0
        os.makedirs(os.path.join(folder, "requests"), exist_ok=True)

    def read(self, name, default=None):
        try:
            with open(os.path.join(self.folder, name), encoding="ascii") as file:
                return file.read()
        except FileNotFoundError:
            return default

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="ascii") as file:
            file.write(text)

    def take_fault(self, method):
        """The fault of this call, which is counted."""
        words = (self.read("fault") or "").split()
        if not words or words[0] not in (method, "*"):
            return None
        if len(words) == 3:
            count = int(words[2])
            if count == 0:
                return None
            self.write("fault", f"{words[0]} {words[1]} {count - 1}")
        return words[1]

    def note(self, body, method, parameters):
        """Keeps the request, and the line in calls."""
        with open(os.path.join(self.folder, "requests", f"{self.calls:04}.xml"), "wb") as file:
            file.write(body)
        self.calls += 1
        first = 0 if method == "session.login_with_password" else 1
        words = [str(word).replace(" ", "_") for word in parameters[first:]]
        if method.startswith(SET):
            words[1] = "BASE64"
        with open(os.path.join(self.folder, "calls"), "a", encoding="ascii") as file:
            file.write(" ".join([method, *words]) + "\n")

    def note_agent(self, name):
        with self.lock, open(os.path.join(self.folder, "agents"), "a", encoding="ascii") as file:
            file.write(f"{name}\n")

    def unknown(self, method):
        if self.is_guard:
            raise Refused(["Internal_error", f'Rpc_genfake.UnknownMethod("{method}")'])
        raise Refused(["MESSAGE_METHOD_UNKNOWN", method])

    def check_count(self, method, parameters):
        """A guard and today's xapi take one too many, and an older xapi does not."""
        if method not in PARAMETERS:
            return
        most, optional = PARAMETERS[method]
        if self.is_guard or self.generation == "old-xapi":
            most, optional = most - optional, 0
        given = len(parameters) - 1
        if self.is_guard and given < most:
            raise Refused(FAILURES["marshal-error"])
        is_too_many = given > most + (self.generation == "xapi")
        if not self.is_guard and (given < most - optional or is_too_many):
            raise Refused(["MESSAGE_PARAMETER_COUNT_MISMATCH", method, str(most), str(given)])

    def check_session(self, session, vm=None):
        if self.is_guard:
            return
        if session not in self.sessions:
            raise Refused(["SESSION_INVALID", session])
        if vm not in (None, "OpaqueRef:vm"):
            raise Refused(["HANDLE_INVALID", "VM", vm])

    def answer(self, method, parameters):
        """The value of a success. Guards ignore session, reference and any further parameter."""
        self.check_count(method, parameters)
        if method == "session.login_with_password":
            if self.is_guard:
                return "DUMMYSESSION"
            session = f"OpaqueRef:session-{len(self.sessions)}"
            self.sessions.add(session)
            return session
        if method == "session.logout":
            self.check_session(parameters[0])
            self.sessions.discard(parameters[0])
            return self.unit()
        if method == "VM.get_by_uuid":
            self.check_session(parameters[0])
            return "DUMMYVM" if self.is_guard else "OpaqueRef:vm"
        if method == "VM.get_NVRAM":
            self.check_session(*parameters)
            if (variables := self.read("nvram")) is None:
                return {}
            return {"EFI-variables-on-boot": "persist", "EFI-variables": variables}
        if method == "VM.get_power_state" and not self.is_guard:
            self.check_session(*parameters)
            return self.read("power", "Halted")
        if method == "VM.get_platform" and not self.is_guard:
            self.check_session(*parameters)
            return {"viridian": "true", "secureboot": self.read("secureboot", "false")}
        if method == CERTIFICATES and not self.generation.startswith("old"):
            self.check_session(*parameters)
            return self.read("certificates", "ok")
        if method == SET:
            return self.set_v1(parameters)
        if method == SET + "_v2" and self.generation == "guard":
            self.keep(parameters[2], parameters[3])
            return self.unit()
        if method == "message.create":
            self.check_session(parameters[0])
            if not isinstance(parameters[2], int):
                raise Refused(["FIELD_TYPE_ERROR", "priority"])
            return self.unit() if self.is_guard else "OpaqueRef:0b5e5a1c-0000-4000-8000-000000000000"
        return self.unknown(method)

    def set_v1(self, parameters):
        self.check_session(*parameters[:2])
        word = "unspecified"
        if not self.is_guard and len(parameters) > 3:
            word = parameters[3]
            if word not in WORDS:
                raise Refused(FAILURES["bad-enum"])
        self.keep(parameters[2], word)
        return self.unit()

    def keep(self, variables, word):
        self.write("nvram", variables)
        if word == "yes":
            self.write("certificates", "ok")
        elif word != "no":
            # What varstore-nvram-certcheck says, for a VM that has no new certificates.
            self.write("certificates", "update_available")

    def unit(self):
        return None if self.is_guard else ""

    def envelope(self, content):
        """The whole answer: bare values from a guard, typed ones from xapi."""
        if self.is_guard:
            return ('<?xml version="1.0"?><methodResponse><params><param>'
                    f"{bare(content)}</param></params></methodResponse>").encode()
        return xmlrpc.client.dumps((content,), methodresponse=True, allow_none=True).encode()

    def handle(self, body):
        """The answer to a request, and the fault that is to happen to it."""
        try:
            parameters, method = xmlrpc.client.loads(body)
        except (xml.parsers.expat.ExpatError, xmlrpc.client.Error, ValueError):
            if self.is_guard:
                return self.envelope(self.failure(FAILURES["xmlm-error"])), None
            return None, "http-500"
        with self.lock:
            self.note(body, method, parameters)
            fault = self.take_fault(method)
            if fault in FAILURES:
                return self.envelope(self.failure(FAILURES[fault])), None
            if fault is not None and fault != "answer-lost":
                return self.envelope({"Status": "Success", "Value": ""}), fault
            try:
                content = {"Value": self.answer(method, parameters), "Status": "Success"}
            except Refused as refused:
                content = self.failure(refused.args[0])
            return self.envelope(content), "hangs" if fault else None

    @staticmethod
    def failure(description):
        if description is None:
            return {"Status": "Failure"}
        return {"Status": "Failure", "ErrorDescription": description}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format, *args):
        pass

    def address_string(self):
        return "unix"

    def respond(self, body, status=200, length=None, reason=None, kind="text/xml"):
        self.send_response(status, reason)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body) if length is None else length))
        self.end_headers()
        if not self.server.toolstack.is_guard:
            self.wait_until_read()
        self.wfile.write(body)

    def wait_until_read(self):
        """xapi may send header and body apart: this until the other side has the header."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            if struct.unpack("i", fcntl.ioctl(self.connection, SIOCOUTQ, bytes(4)))[0] == 0:
                return
            time.sleep(0.001)

    def fail(self, exception):
        """As xapi does where a request ends in an exception before there is a call."""
        self.close_connection = True
        self.respond(f"<html><body><h1>HTTP 500 internal server error</h1>An unexpected error occurred: "
                     f"{escape(exception)}</body></html>".encode(), 500, None, "Internal Error", "text/html")

    def do_GET(self):  # pylint: disable=invalid-name
        self.close_connection = True
        toolstack = self.server.toolstack
        if toolstack.is_guard:
            self.respond(toolstack.envelope(toolstack.failure("Not allowed")), 405)
        else:
            self.respond(b"<html><body>not implemented</body></html>", 501, None, None, "text/html")

    def do_POST(self):  # pylint: disable=invalid-name
        length = int(self.headers["Content-Length"])
        toolstack = self.server.toolstack
        body = self.rfile.read(length)
        if length > MOST_BYTES and not toolstack.is_guard:
            self.fail("Http_svr.Client_requested_size_over_limit")
            return
        time.sleep(self.server.delay)
        toolstack.note_agent(self.headers["User-Agent"])
        answer, fault = toolstack.handle(body)
        try:
            self.misbehave(answer, fault) if fault else self.respond(answer)
        except OSError:
            self.close_connection = True

    def misbehave(self, answer, fault):
        self.close_connection = True
        if fault == "truncated":
            self.respond(answer[:len(answer) // 2], length=len(answer))
        elif fault == "hangs":
            self.wait_for_end()
        elif fault == "http-500":
            self.fail("Xmlm.Error(_)")
        elif fault == "not-xml":
            self.respond(b"<html><p>no</html>")
        elif fault == "fault":
            self.respond(xmlrpc.client.dumps(xmlrpc.client.Fault(1, "no")).encode())
        elif fault == "huge":
            self.respond(b"", length=64 << 20)
            for _ in range(64):
                self.wfile.write(b" " * (1 << 20))
        elif fault == "slow":
            for byte in b"HTTP/1.1 200 OK\r\n" * 100:
                self.wfile.write(bytes([byte]))
                if self.wait_for_end(1):
                    return

    def wait_for_end(self, seconds=60):
        """Until the other side goes away: then true."""
        self.connection.settimeout(seconds)
        try:
            return self.connection.recv(1) == b""
        except TimeoutError:
            return False


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Serves until close()."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 2  # as a guard's

    def __init__(self, path, toolstack, delay=0):
        self.toolstack = toolstack
        self.delay = delay  # of each answer, in seconds
        super().__init__(path, Handler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)

    def close(self):
        self.shutdown()
        self.server_close()
        os.unlink(self.server_address)


def serve(test, toolstack, folder):
    """Serves a test until it is over, at `folder`/socket. The options of a tool that asks there once."""
    server = Server(f"{folder}/socket", toolstack)
    test.addCleanup(server.close)
    return "-s", server.server_address, "--wait", "0"


def main():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--socket", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--generation", choices=GENERATIONS, default="guard")
    parser.add_argument("--delay", type=int, default=0)
    options = parser.parse_args()
    toolstack = Toolstack(options.folder, options.generation)
    Server(options.socket, toolstack, options.delay / 1000)
    toolstack.write("listening", "")
    threading.Event().wait()


if __name__ == "__main__":
    main()
