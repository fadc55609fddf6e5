"""Ways that say the same in other words, or do what nobody forbids."""

import contextlib
import json
import os
import time

from ways import (
    PASS,
    WAYS,
    Frame,
    Proxy,
    each_place,
    way,
)


@way("nothing", on="*", verdict=PASS, nth=0)
def _(proxy: Proxy, request: Frame) -> None:
    proxy.write(proxy.ask(request))


@way("nothing, explained", on="*", verdict=PASS, nth=0, replayed=True)
def _(proxy: Proxy, request: Frame) -> None:
    proxy.write(proxy.ask(request))


@way("blanks", on="*", verdict=PASS, nth=0)
def _(proxy: Proxy, request: Frame) -> None:
    proxy.write(b" \t" + json.dumps(proxy.right(request), separators=(" ,\t", " : ")).encode() + b" \n")


@way("a carriage return before the line end", on="*", verdict=PASS, nth=0)
def _(proxy: Proxy, request: Frame) -> None:
    proxy.write(proxy.ask(request).replace(b"\n", b"\r\n"))


@way("fields in the other order", on="*", verdict=PASS, nth=0)
def _(proxy: Proxy, request: Frame) -> None:
    def turned(frame: object) -> object:
        if isinstance(frame, dict):
            return {name: turned(each) for name, each in reversed(frame.items())}
        return [turned(each) for each in frame] if isinstance(frame, list) else frame

    proxy.say(turned(proxy.right(request)))


@way("fields in the other order, explained", on="*", verdict=PASS, nth=0, replayed=True)
def _(proxy: Proxy, request: Frame) -> None:
    WAYS["fields in the other order"].act(proxy, request)


@way("escapes for letters", on="*", verdict=PASS, nth=0)
def _(proxy: Proxy, request: Frame) -> None:
    line = proxy.ask(request)
    for letter in b"0aeist":
        # Reason: a number or a word outside of a text has no escapes; texts here begin with a quotation mark and 0x.
        line = line.replace(b'"' + bytes([letter]), b'"\\u%04x' % letter)
    proxy.write(line)


@way("integers as texts", on="*", verdict=PASS, nth=0, replayed=True)
def _(proxy: Proxy, request: Frame) -> None:
    def as_text(value: object) -> object:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    frame = proxy.right(request)
    proxy.say({name: each if name == "error" else each_place(each, as_text) for name, each in frame.items()})


@way("texts of digits as integers", on="*", verdict=PASS, nth=0, replayed=True)
def _(proxy: Proxy, request: Frame) -> None:
    def as_number(value: object) -> object:
        return int(value) if isinstance(value, str) and value.isdigit() else value

    frame = proxy.right(request)
    if request["verb"] == "describe":
        proxy.say(frame)
    else:
        proxy.say(each_place(frame, as_number))


@way("byte by byte", on="*", verdict=PASS, nth=0)
def _(proxy: Proxy, request: Frame) -> None:
    proxy.slow = True
    proxy.write(proxy.ask(request))


@way("in two parts, with a pause", verdict=PASS, nth=0)
def _(proxy: Proxy, request: Frame) -> None:
    line = proxy.ask(request)
    proxy.write(line[:5])
    time.sleep(0.05)
    proxy.write(line[5:])


@way("a moment late", verdict=PASS, nth=0)
def _(proxy: Proxy, request: Frame) -> None:
    line = proxy.ask(request)
    time.sleep(0.3)
    proxy.write(line)


@way("noise in the log", on="*", verdict=PASS, nth=0)
def _(proxy: Proxy, request: Frame) -> None:
    os.write(2, b'\x1b[31m\xff{"id": 1}\n' * 100)
    proxy.write(proxy.ask(request))


@way("a flooded log", on="describe", verdict=PASS)
def _(proxy: Proxy, request: Frame) -> None:
    if os.fork() == 0:
        with contextlib.suppress(OSError):
            while True:
                os.write(2, b"noise\n" * 10_000)
        os._exit(0)
    proxy.write(proxy.ask(request))


@way("a closed log", on="describe", verdict=PASS)
def _(proxy: Proxy, request: Frame) -> None:
    os.close(2)
    proxy.write(proxy.ask(request))


@way("a child that lives on", on="describe", verdict=PASS)
def _(proxy: Proxy, request: Frame) -> None:
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    proxy.write(proxy.ask(request))


@way("a child in a session of its own", on="describe", verdict=PASS)
def _(proxy: Proxy, request: Frame) -> None:
    if os.fork() == 0:
        os.setsid()
        time.sleep(60)
        os._exit(0)
    proxy.write(proxy.ask(request))


@way("another version of the interface", on="describe", verdict=PASS)
def _(proxy: Proxy, request: Frame) -> None:
    frame = proxy.right(request)
    frame["result"]["interface_specification"] = "0.1"
    proxy.say(frame)


@way("no profile", on="describe", verdict=PASS)
def _(proxy: Proxy, request: Frame) -> None:
    frame = proxy.right(request)
    frame["result"]["profiles"] = []
    proxy.say(frame)


@way("a strange name", on="describe", verdict=PASS)
def _(proxy: Proxy, request: Frame) -> None:
    frame = proxy.right(request)
    frame["result"]["name"] = "\x1b[2J\u202e</script>\x00"
    proxy.say(frame)
