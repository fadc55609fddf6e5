"""How servers listen."""

import socket

from reference_impl.server.listening import listening


def test_what_is_written_is_sent_at_once() -> None:
    """Else the body of each answer waits until the client has acknowledged its head."""
    with listening("127.0.0.1", 0) as opened, socket.create_connection(opened.getsockname()):
        accepted, _ = opened.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
