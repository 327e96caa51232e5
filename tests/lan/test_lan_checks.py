"""Exercícios numa máquina com poucas portas: a que se dá ao aluno serve em qualquer endereço."""

CHECK = """
import socket
from contextlib import ExitStack
from echo_lib import checks

def on_every_address(host, port):
    with socket.socket() as s:
        s.bind(("0.0.0.0", port))
        s.listen()
        s.accept()[0].close()

with ExitStack() as stack:
    for port in range(40000, 40019):
        stack.enter_context(socket.create_server(("127.0.0.2", port)))
    print(checks.whole_server(on_every_address).text)
"""


def test_port_given_to_the_learner_is_free_on_every_address(two_hosts):
    host, _ = two_hosts
    host.set("net/ipv4/ip_local_port_range", "40000 40019")
    shown, complaints, code = host.run("-c", CHECK)
    assert (complaints, code) == ("", 0)
    assert "você escuta em 0.0.0.0" in shown
