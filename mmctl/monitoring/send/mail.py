"""One mail, under one deadline for all of it: a server that trickles or hangs costs no more than that."""

import smtplib
import ssl
import threading
import time
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Final

from mmctl.fleet.channels import LOOPBACK, Channel, mail_server
from mmctl.fleet.errors import DeadlineExceeded, OperatorError, Unreachable
from mmctl.monitoring.send.message import Attachment

IMPLICIT_TLS: Final = 465


class MailRefused(OperatorError):
    """The mail server answered, and would not take the message."""


def mail_of(channel: Channel, title: str, text: str, attachment: Attachment | None) -> EmailMessage:
    """The message as it is sent: plain text in UTF-8, with the attachment where there is one."""
    mail = EmailMessage()
    mail["Subject"] = " ".join(title.split())
    mail["From"], mail["To"] = channel.sender, ", ".join(channel.to)
    mail["Date"] = formatdate(localtime=False)
    mail["Message-ID"] = make_msgid(domain=channel.sender.rpartition("@")[2])
    mail.set_content(text, cte="base64")  # passes every server, also one that knows seven bits only
    if attachment is not None:
        main, _, sub = attachment.mime.partition("/")
        mail.add_attachment(attachment.content, maintype=main, subtype=sub or "octet-stream", filename=attachment.name)
    return mail


def send_mail(channel: Channel, mail: EmailMessage, password: str, deadline_s: float) -> str:
    """What the server answered to the whole. Raises DeadlineExceeded, Unreachable or MailRefused."""
    found: list[str | OperatorError] = []
    end = time.monotonic() + deadline_s

    def work() -> None:
        try:
            found.append(_session(channel, mail, password, end))
        except OperatorError as error:
            found.append(error)

    # smtplib's timeout is for each line: who answers a byte a second would hold us for ever.
    worker = threading.Thread(target=work, daemon=True, name=f"mail-{channel.name}")
    worker.start()
    worker.join(deadline_s)
    if not found:
        raise _late(channel, deadline_s)
    if isinstance(found[0], OperatorError):
        raise found[0]
    return found[0]


def _session(channel: Channel, mail: EmailMessage, password: str, end: float) -> str:
    host, port = mail_server(channel.smarthost)
    left = max(0.01, end - time.monotonic())
    try:
        if int(port) == IMPLICIT_TLS:
            server: smtplib.SMTP = smtplib.SMTP_SSL(host, int(port), timeout=left, context=ssl.create_default_context())
        else:
            server = smtplib.SMTP(host, int(port), timeout=left)
        with server:
            if channel.tls and int(port) != IMPLICIT_TLS:
                server.starttls(context=ssl.create_default_context())
            if channel.username:
                if not channel.tls and host not in LOOPBACK:
                    raise MailRefused(f"channel {channel.name}: a password is not sent without TLS", "leave tls: true")
                server.login(channel.username, password)
            refused = server.send_message(mail)
    except TimeoutError:
        raise _late(channel, left) from None
    except smtplib.SMTPNotSupportedError:
        raise MailRefused(f"{channel.smarthost} offers no STARTTLS", "tls: false for a server on this host") from None
    except smtplib.SMTPRecipientsRefused as error:
        raise MailRefused(f"{channel.smarthost} refuses {', '.join(error.recipients)}") from None
    except smtplib.SMTPResponseException as error:
        said = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        said = said.replace(password, "…") if password else said
        raise MailRefused(f"{channel.smarthost} answered {error.smtp_code} {said}") from None
    except (smtplib.SMTPException, OSError) as error:
        if time.monotonic() >= end:  # smtplib calls a line that did not come a connection that was closed
            raise _late(channel, left) from None
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise Unreachable(f"{channel.smarthost}: {reason}", "is the smarthost right, and the way open?") from None
    if refused:
        raise MailRefused(f"{channel.smarthost} refuses {', '.join(refused)}; the others were taken")
    return f"taken for {', '.join(channel.to)}"


def _late(channel: Channel, seconds: float) -> DeadlineExceeded:
    return DeadlineExceeded(
        f"channel {channel.name}: the mail server {channel.smarthost} did not take the mail within {seconds:.3g} s",
        "whether it was sent is not known; look at that server",
    )
