"""Ways of a process: silence, slowness, death, noise."""

import os
import signal
import time

from ways import Frame, Proxy, way


@way("silence", short=("others",), says="answer: no response within 1.5 seconds")
def _(proxy: Proxy, request: Frame) -> None:
    time.sleep(60)


@way("silence at the handshake", on="describe", short=("describe",), says="describe: no response within 1.5 seconds")
def _(proxy: Proxy, request: Frame) -> None:
    time.sleep(60)


@way("an answer that is late", short=("others",), says="answer: no response within 1.5 seconds")
def _(proxy: Proxy, request: Frame) -> None:
    line = proxy.ask(request)
    time.sleep(3)
    proxy.write(line)


@way("half a line, then silence", short=("others",), says="answer: no response within 1.5 seconds")
def _(proxy: Proxy, request: Frame) -> None:
    proxy.write(proxy.ask(request)[:10])
    time.sleep(60)


@way("a line without its end", short=("others",), says="answer: no response within 1.5 seconds")
def _(proxy: Proxy, request: Frame) -> None:
    proxy.write(proxy.ask(request).rstrip())
    time.sleep(60)


@way("blanks without end", short=("others",), says="answer: no response within 1.5 seconds")
def _(proxy: Proxy, request: Frame) -> None:
    while True:
        proxy.write(b" ")
        time.sleep(0.01)


@way("standing still", short=("others",), says="answer: no response within 1.5 seconds")
def _(proxy: Proxy, request: Frame) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


@way("deafness", on="advance", short=("others",), says="within 1.5 seconds")
def _(proxy: Proxy, request: Frame) -> None:
    proxy.write(proxy.ask(request))
    time.sleep(60)


@way("death", says="answer: the process ended with code 3")
def _(proxy: Proxy, request: Frame) -> None:
    os._exit(3)


@way("death with code 0", says="answer: the process ended with code 0")
def _(proxy: Proxy, request: Frame) -> None:
    os._exit(0)


@way("death at the handshake", on="describe", says="describe: the process ended with code 3")
def _(proxy: Proxy, request: Frame) -> None:
    os._exit(3)


@way("death with a log", says="answer: the process ended with code 3: \\x1b[31mout of luck")
def _(proxy: Proxy, request: Frame) -> None:
    os.write(2, b"one\ntwo\n\x1b[31mout of luck\n")
    os._exit(3)


@way("death in the middle of a line", says='the process ended with code 3, in the middle of the line \'{"id"')
def _(proxy: Proxy, request: Frame) -> None:
    proxy.write(proxy.ask(request)[:8])
    os._exit(3)


@way("death after the answer", on="submit", says="the process ended with code 3")
def _(proxy: Proxy, request: Frame) -> None:
    proxy.write(proxy.ask(request))
    os._exit(3)


@way("a violent death", says="answer: the process was ended by SIGSEGV")
def _(proxy: Proxy, request: Frame) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(60)


@way("death, and a child that holds the output", says="answer: the process ended with code 3")
def _(proxy: Proxy, request: Frame) -> None:
    if os.fork() == 0:
        time.sleep(60)
    os._exit(3)


@way("a closed output", says="answer: the process has closed its output")
def _(proxy: Proxy, request: Frame) -> None:
    os.close(1)
    time.sleep(60)


@way("a closed input", on="advance", short=("others",), says="within 1.5 seconds")
def _(proxy: Proxy, request: Frame) -> None:
    line = proxy.ask(request)
    os.close(0)
    proxy.write(line)
    time.sleep(60)


@way("a line without end", says="the response has more than 67,108,864 bytes: 'xxx")
def _(proxy: Proxy, request: Frame) -> None:
    while True:
        proxy.write(b"x" * 65_536)


@way("lines without end", says="more than one line answers: 'x\\nx\\n")
def _(proxy: Proxy, request: Frame) -> None:
    while True:
        proxy.write(b"x\n" * 30_000)


@way("answers without end", says='more than one line answers: \'{"id"')
def _(proxy: Proxy, request: Frame) -> None:
    line = proxy.ask(request)
    while True:
        proxy.write(line * 1_000)


@way("children without end", short=("others",), says="answer: no response within 1.5 seconds")
def _(proxy: Proxy, request: Frame) -> None:
    for _ in range(200):
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
    time.sleep(60)
