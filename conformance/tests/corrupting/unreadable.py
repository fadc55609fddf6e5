"""Ways that break the protocol in one line: it is no JSON, or has other types, fields, ids or errors."""

import json
import time
from collections.abc import Callable

from ways import NOT_APPLICABLE, Frame, Proxy, answering, changing, replacing, setting, way

# Lines that cannot be read


replacing("no JSON", old=b'{"id"', new=b"{id", says="not JSON at character 1")
replacing("a bracket is missing", old=b"}\n", new=b"\n", says="not JSON")
replacing("a comma too many", old=b"}\n", new=b",}\n", says="not JSON")
replacing("two values", old=b"}\n", new=b"} {}\n", says="not JSON")
replacing("bad UTF-8", old=b'"0x', new=b'"\xff0x', says="not UTF-8 at byte")
replacing("a surrogate in UTF-8", old=b'"0x', new=b'"\xed\xa0\x800x', says="not UTF-8 at byte")
replacing("half a surrogate pair", old=b'"0x', new=b'"\\ud8000x', says="half of a surrogate pair")
replacing("a zero byte", old=b'"0x', new=b'"\x000x', says="not JSON")
replacing("a byte order mark", old=b"{", new=b"\xef\xbb\xbf{", says="not JSON at character 0")
replacing("an invalid escape", old=b'"0x', new=b'"\\x', says="not JSON")
replacing("a field twice", old=b'{"id"', new=b'{"id":1,"id"', says="the field 'id' stands twice")
replacing("not a number", on="advance", old=b'"rounds":', new=b'"rounds":NaN,"x":', says="NaN is not JSON")
replacing("infinity", on="advance", old=b'"rounds":', new=b'"rounds":-Infinity,"x":', says="-Infinity is not JSON")
replacing(
    "an integer of 5,000 digits", on="advance", old=b'"rounds":', new=b'"rounds":' + b"9" * 5000, says="100 digits"
)
replacing("brackets without end", old=b'"0x', new=b"[" * 100_000, says="deep in each other")
replacing("deep lists", old=b"{", new=b"[" * 50_000 + b"]" * 50_000 + b"{", says="deep in each other")
replacing("an empty line", old=b"{", new=b"\n{", says="more than one line answers")
replacing("a line end in the middle", old=b'"result"', new=b'\n"result"', says="more than one line answers")


@way("UTF-16", says="not UTF-8 at byte 0")
def _(proxy: Proxy, request: Frame) -> None:
    proxy.write(proxy.ask(request).strip().decode().encode("utf-16").replace(b"\n", b"") + b"\n")


@way("zeros", says="not JSON at character 0")
def _(proxy: Proxy, request: Frame) -> None:
    proxy.write(bytes(1000) + b"\n")


@way("escapes for terminals", says="\\x1b[2J\\x1b[31m")
def _(proxy: Proxy, request: Frame) -> None:
    proxy.write(b"\x1b[2J\x1b[31m\n")


# Types and fields


setting("a fraction", "rounds", 1.5, on="advance", says="advance.rounds: 1.5 is not a natural number")
setting("a fraction that is whole", "rounds", 1.0, on="advance", says="advance.rounds: 1.0 is not a natural number")
setting("a negative number", "rounds", -1, on="advance", says="advance.rounds: -1 is not a natural number")
setting("a truth for a number", "rounds", True, on="advance", says="advance.rounds: true is not a natural number")
setting("a text for a number", "rounds", "one", on="advance", says="advance.rounds: 'one' is not a natural number")
setting("a list for a number", "rounds", [1], on="advance", says="advance.rounds: a list is not a natural number")
setting("a null for a number", "rounds", None, on="advance", says="advance.rounds: null is not a natural number")
setting("a sign", "system_time", "+5", on="advance", says="advance.system_time: '+5' is not a natural number")
setting("a number for a truth", "quiescent", 1, on="advance", says="advance.quiescent: 1 is neither true nor false")
setting("a text for a truth", "quiescent", "true", on="advance", says="advance.quiescent: 'true' is neither true nor")
setting("a blob in capitals", "data", "0xAB", on="answer", says="answer.data: '0xAB' is not a blob")
setting("a blob without 0x", "data", "ab", on="answer", says="answer.data: 'ab' is not a blob")
setting("half a byte", "data", "0x1", on="answer", says="answer.data: '0x1' is not a blob")
setting("a list for a blob", "data", [0, 1], on="answer", says="answer.data: a list is not a blob")
setting("a very long text for a blob", "data", "x" * 10**6, on="answer", says="(1,000,000 characters)' is not a blob")
setting("a status that is none", "status", "lost", on="answer", says="answer.status: 'lost' is not a status")
setting("a status in capitals", "status", "REPLIED", on="answer", says="answer.status: 'REPLIED' is not a status")
setting("a field of another status", "reject", None, on="answer", says="answer.reject: the field is not known")
setting("one field more", "mood", "good", on="advance", says="advance.mood: the field is not known")
setting("a field with a strange name", "\x1b[31m", 1, on="advance", says="advance.\\x1b[31m: the field is not known")
setting(
    "a long subnet id", "subnet_id", "0x" + "00" * 30, on="reset", says="reset.subnet_id: a principal has at most 29"
)
setting("a root key that is a number", "root_key", 7, on="reset", says="reset.root_key: 7 is not a blob")
setting("a time beyond 64 bits", "system_time", str(2**64), on="reset", says="reset.system_time: times are below 2^64")
setting("another protocol version", "protocol", 2, on="describe", says="describe.protocol: version 2, but 1 was")
setting("a capability that is none", "capabilities", ["magic"], on="describe", says="'magic' is not a capability")
setting("a kind of instance that is none", "instance", "lazy", on="describe", says="'lazy' is not a kind of instance")
setting("profiles that are a text", "profiles", "production", on="describe", says="describe.profiles: a list is needed")
changing(
    "a field is missing", lambda frame: frame["result"].pop("rounds"), on="advance", says="rounds: the field is miss"
)
changing(
    "a field has another name",
    lambda frame: frame["result"].update(Rounds=frame["result"].pop("rounds")),
    on="advance",
    says="advance.rounds: the field is missing",
)
changing("a result that is a list", lambda frame: frame.update(result=[]), says="answer: an object is needed")
changing("a result that is null", lambda frame: frame.update(result=None), says="answer: an object is needed")
changing("a result that is empty", lambda frame: frame.update(result={}), says="answer.status: the field is missing")
changing("no result", lambda frame: frame.pop("result"), says="response.result: the field is missing")
changing(
    "a frame with one field more", lambda frame: frame.update(verb="x"), says="response.verb: the field is not known"
)
changing(
    "a result and an error",
    lambda frame: frame.update(error={"kind": "internal", "text": ""}),
    says="response.result: the field is not known",
)
changing(
    "accepted and refused",
    lambda frame: frame["result"].update(refused={"code": None, "reason": None}),
    on="submit",
    says="submit.accepted: the field is not known",
)
answering("a list for a frame", lambda request: [request["id"], {}], says="response: an object is needed")
answering("a text for a frame", lambda request: "fine", says="response: an object is needed")
answering("the request itself", lambda request: request, says="response.result: the field is missing")


# Ids and order


changing("the next id", lambda frame: frame.update(id=frame["id"] + 1), says="it is for request")
changing("the id of the last request", lambda frame: frame.update(id=frame["id"] - 1), says="it is for request")
changing("an id that is null", lambda frame: frame.update(id=None), says="it is for request None")
changing("an id that is negative", lambda frame: frame.update(id=-1), says="response.id: -1 is not a natural number")
changing(
    "an id that is a fraction", lambda frame: frame.update(id=1.5), says="response.id: 1.5 is not a natural number"
)
changing("an id that is a list", lambda frame: frame.update(id=[1]), says="response.id: a list is not a natural number")
changing("no id", lambda frame: frame.pop("id"), says="response.id: the field is missing")


@way("an answer twice", says="more than one line answers")
def _(proxy: Proxy, request: Frame) -> None:
    proxy.write(proxy.ask(request) * 2)


@way("an answer twice, with a pause", says='\'{"id":')
def _(proxy: Proxy, request: Frame) -> None:
    line = proxy.ask(request)
    proxy.write(line)
    time.sleep(0.05)
    proxy.write(line)


@way("the answer to the last request", says="it is for request")
def _(proxy: Proxy, request: Frame) -> None:
    before = proxy.last
    proxy.ask(request)
    proxy.write(before)


@way("a line that nobody asked for", says="'hello")
def _(proxy: Proxy, request: Frame) -> None:
    proxy.write(proxy.ask(request))
    time.sleep(0.05)
    proxy.write(b"hello\n")


@way("a greeting", on="describe", says="describe: more than one line answers: 'hello\\n{")
def _(proxy: Proxy, request: Frame) -> None:
    proxy.write(b"hello\n" + proxy.ask(request))


@way("an answer before the request", says="more than one line answers", on="reset")
def _(proxy: Proxy, request: Frame) -> None:
    guess = json.dumps({"id": request["id"] + 1, "result": {"accepted": {"request_id": "0x" + "00" * 32}}})
    proxy.write(proxy.ask(request) + guess.encode() + b"\n")


# Errors


def error(kind: object, text: object = "\x1b[31mno\nway") -> Callable[[Frame], object]:
    """An error response."""
    return lambda request: {"id": request["id"], "error": {"kind": kind, "text": text}}


answering("an internal error", error("internal"), says="answer: internal: \\x1b[31mno\\nway")
answering("a malformed error", error("malformed"), says="answer: malformed: ")
answering("an unsupported verb", error("unsupported"), says="answer: unsupported: ", verdict=NOT_APPLICABLE)
answering("an unsupported handshake", error("unsupported"), on="describe", says="unsupported", verdict=NOT_APPLICABLE)
answering(
    "an unsupported profile that is listed", error("unsupported"), on="reset", says="its profiles list 'production'"
)
answering("an error of unknown kind", error("sorry"), says="'sorry' is none of malformed, unsupported, internal")
answering("an error whose kind is a number", error(7), says="response.error.kind: 7 is not a text")
answering("an error whose text is a list", error("internal", []), says="response.error.text: a list is not a text")
answering("an error of a megabyte", error("internal", "x" * 10**6), says="(1,000,000 characters)")
answering("an error that is a text", lambda request: {"id": request["id"], "error": "no"}, says="an object is needed")
answering(
    "an error for no request",
    lambda request: {"id": None, "error": {"kind": "malformed", "text": "what?"}},
    says="answer: malformed: what?",
)
