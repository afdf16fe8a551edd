"""A mail server that records, and answers as it is told: aiosmtpd does the protocol, Python's own email package reads what came.

It is in Python because there is no SMTP server in Rust that is kept well, and because a second implementation of the protocol and of the
format of mail is what the tests are for.

    taken/N.json     each mail that came whole, before its answer
    seen/N           what else happened, in words: connect, starttls, auth, auth-refused
    answers/ADDRESS  what that recipient is answered with; without the file 250
    hold             while it is there, the answer to a whole mail waits
"""

import argparse
import asyncio
import email
import email.policy
import hmac
import json
import pathlib
import signal
import ssl

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


class Record:
    """Files that are there whole or not at all."""

    def __init__(self, folder):
        self.folder = folder

    def write(self, kind, text):
        folder = self.folder / kind
        name = f"{len(list(folder.iterdir())):05}"
        unfinished = self.folder / "unfinished"
        unfinished.write_text(text, encoding="utf-8")
        unfinished.rename(folder / (f"{name}.json" if kind == "taken" else name))


class Handler:
    """What aiosmtpd asks of whoever uses it."""

    def __init__(self, folder, record):
        self.folder = folder
        self.record = record

    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        self.record.write("seen", "starttls" if session.ssl else "connect")
        return responses

    async def handle_RCPT(self, server, session, envelope, address, options):
        told = self.folder / "answers" / address
        if told.exists():
            return told.read_text(encoding="ascii")
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        taken = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None,
            "user": session.login_data.decode() if session.login_data else None,
            "headers": {name.lower(): str(value) for name, value in mail.items()},
            "body": mail.get_body(preferencelist=("plain",)).get_content(),
            "raw": envelope.content.decode("ascii"),
        }
        self.record.write("taken", json.dumps(taken))
        while (self.folder / "hold").exists():
            await asyncio.sleep(0.02)
        return "250 taken"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("port", type=int)
    parser.add_argument("--certificate", type=pathlib.Path, help="offers STARTTLS with it; without it there is no TLS")
    parser.add_argument("--key", type=pathlib.Path)
    parser.add_argument("--user", help="demands a sign-in as this")
    parser.add_argument("--password")
    asked = parser.parse_args()

    record = Record(asked.folder)

    def check(server, session, envelope, mechanism, data):
        known = (
            isinstance(data, LoginPassword)
            and hmac.compare_digest(data.login, (asked.user or "").encode())
            and hmac.compare_digest(data.password, (asked.password or "").encode())
        )
        record.write("seen", "auth" if known else "auth-refused")
        # Not handled: aiosmtpd is to say so to the client.
        return AuthResult(success=known, handled=False, auth_data=data)

    options = {"enable_SMTPUTF8": False}
    if asked.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(asked.certificate, asked.key)
        options.update(tls_context=context, require_starttls=True)
    if asked.user:
        options.update(authenticator=check, auth_required=True, auth_require_tls=asked.certificate is not None)
    controller = Controller(Handler(asked.folder, record), hostname="127.0.0.1", port=asked.port, **options)
    controller.start()
    print("ready", flush=True)
    signal.pause()


main()
