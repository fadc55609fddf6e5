"""Ways that follow the protocol to the letter and are not true."""

from collections.abc import Callable

from ways import INCONCLUSIVE, Frame, Proxy, changing, way

# Frames that can be read and are not true


def reply(frame: Frame) -> None:
    """Changes the last byte of the data of a reply."""
    data = frame["result"]["data"]
    frame["result"]["data"] = data[:-1] + ("0" if data[-1] != "0" else "1")


changing("another reply", reply, says="")
changing(
    "a rejection for a reply",
    lambda frame: frame.update(result={"status": "rejected", "reject": {"code": 5, "reason": None, "message": ""}}),
    says="",
)
changing("a request that waits still", lambda frame: frame.update(result={"status": "received"}), says="")
changing("a request that is forgotten", lambda frame: frame.update(result={"status": "unknown"}), says="")
changing(
    "another request id",
    lambda frame: frame["result"].update(accepted={"request_id": "0x" + "00" * 32}),
    on="submit",
    says="",
)
changing(
    "a refusal of what was accepted",
    lambda frame: frame.update(result={"refused": {"code": None, "reason": None}}),
    on="submit",
    says="",
)
changing("more rounds than asked", lambda frame: frame["result"].update(rounds=1000), on="advance", says="1000, but")
changing(
    "another time",
    lambda frame: frame["result"].update(system_time=str(int(frame["result"]["system_time"]) + 1)),
    on="advance",
    says="advance.system_time: ",
)
changing(
    "another time at the start", lambda frame: frame["result"].update(system_time=1), on="reset", says="takes the given"
)


@way("no round, and nothing left to do", on="advance")
def _(proxy: Proxy, request: Frame) -> None:
    frame = proxy.right({**request, "arguments": {"rounds": 0, "nanoseconds": 0}})
    frame["result"]["quiescent"] = True
    proxy.say(frame)


@way("rest that never comes", on="advance", nth=0, verdict=INCONCLUSIVE)
def _(proxy: Proxy, request: Frame) -> None:
    frame = proxy.right(request)
    frame["result"]["quiescent"] = False
    proxy.say(frame)


# What is claimed


def claim(name: str, change: Callable[[list], object], says: str) -> None:
    """A way that changes the transitions that the implementation claims."""
    changing(name, lambda frame: change(frame["result"]["labels"]), on="explain", replayed=True, says=says, nth=2)


claim("no transitions", lambda labels: labels.clear(), says="")
claim("one transition less", lambda labels: labels.pop(), says="")
claim("one transition twice", lambda labels: labels.append(labels[-1]), says="")
claim("transitions in the other order", lambda labels: labels.reverse(), says="")
claim("a rule that is none", lambda labels: labels[-1].update(rule="\x1b[31m"), says="'\\x1b[31m'")
claim(
    "a choice that is none", lambda labels: labels[-1]["choices"].update(colour=1), says="choices.colour: the field is"
)
claim("a choice too many", lambda labels: labels[-1]["choices"].update(balance=1), says="balance")
claim("a choice less", lambda labels: labels[-1]["choices"].clear(), says="")
claim(
    "a choice of another kind",
    lambda labels: labels[-1]["choices"].update(message_id="0x"),
    says="not a natural number",
)
claim("another choice", lambda labels: labels[-1]["choices"].update(message_id=10**30), says="")
claim("choices that are a list", lambda labels: labels[-1].update(choices=[]), says="choices: an object is needed")
claim("outputs less", lambda labels: [each["outputs"].clear() for each in labels], says="shows")
claim("outputs that are an object", lambda labels: labels[-1].update(outputs={}), says="outputs: a list is needed")
claim("labels of nothing", lambda labels: labels.append(None), says="an object is needed")
changing(
    "another digest",
    lambda frame: frame["result"].update(digest="0x" + "00" * 32),
    on="state",
    replayed=True,
    says="digest",
)
changing(
    "a short digest",
    lambda frame: frame["result"].update(digest="0x00"),
    on="state",
    replayed=True,
    says="state.digest: a digest has 32 bytes",
)
