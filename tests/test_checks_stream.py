"""As verificações das lições 06 a 08: cada engano tem a sua pista; o certo passa, como for."""

import ipaddress
import os
import re
import socket
import struct
import sys
import threading
from time import monotonic

import cloudpickle
import pytest

from echo_lib import checks, isolated, program
from echo_lib.checks import programs
from echo_lib.network import ports
from echo_lib.trace import TracedSocket
from tests.common import HERE, TIMEOUT

# As funções daqui vão inteiras ao outro processo, como as de um notebook.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture(autouse=True)
def short_wait(monkeypatch):
    monkeypatch.setattr(isolated, "TIMEOUT", 2.0)


def exactly(conn, n):
    data = b""
    while len(data) < n:
        piece = conn.recv(n - len(data))
        if not piece:
            raise ConnectionError("acabou")
        data += piece
    return data


def always_n(conn, n):
    data = b""
    while len(data) < n:
        piece = conn.recv(n)
        if not piece:
            raise ConnectionError("acabou")
        data += piece
    return data


def less_the_last_piece(conn, n):
    data = piece = b""
    while len(data) < n:
        piece = conn.recv(n - len(piece))
        if not piece:
            raise ConnectionError("acabou")
        data += piece
    return data


def less_the_first_piece(conn, n):
    """Conta o que falta uma vez só, depois do primeiro recv."""
    data = conn.recv(n)
    left = n - len(data)
    while data and len(data) < n:
        data += conn.recv(left) or exactly(conn, left)
    return data if data or not n else exactly(conn, n)


@pytest.mark.parametrize("receiver", [always_n, less_the_last_piece, less_the_first_piece])
def test_asking_for_more_than_what_is_missing_takes_bytes_of_the_next_message(receiver):
    assert checks.receives_exactly(exactly).ok
    check = checks.receives_exactly(receiver)
    assert not check.ok and "Não peça ao recv mais do que falta" in str(check)
    check = checks.framing(
        send, lambda conn: receiver(conn, struct.unpack("!I", receiver(conn, 4))[0]).decode()
    )
    assert not check.ok and re.search("o que falta|coladas", check.text), check


def test_what_was_taken_from_the_next_message_may_not_be_text():
    def four_more_when_long(conn):
        n = struct.unpack("!I", exactly(conn, 4))[0]
        return exactly(conn, n + 4 * (n > 90_000)).decode()

    check = checks.framing(send, four_more_when_long)
    assert "UnicodeDecodeError" in check.text and "Não peça ao recv mais do que falta" in check.text
    assert "junte todos os bytes" not in check.text


def never_shortens(conn):
    lines, data = [], conn.recv(1024)
    while b"\n" in data:
        lines.append(data.split(b"\n", 1)[0])


def test_loop_that_does_not_wait_is_not_told_of_the_end_of_the_connection():
    check = checks.lines(never_shortens)
    assert "o código estava em" in check.text and "é aí que o laço para" not in check.text


def raises_before_the_end(conn, n):
    data = b""
    while len(data) < n:
        piece = conn.recv(n - len(data))
        if not data:
            raise ConnectionError("acabou")
        data += piece
    return data


def test_raise_before_the_end_is_not_told_of_bytes_asked_in_vain():
    check = checks.receives_exactly(raises_before_the_end)
    assert not check.ok and "A conexão não acabou: só b''" in check.text, check


def ends_with_an_error(conn):
    while conn.recv(1024):
        pass
    raise ConnectionError("acabou")


def test_end_of_the_lines_is_no_error():
    check = checks.lines(ends_with_an_error)
    assert not check.ok and "é aí que o laço para" in check.text, check


def test_other_ways_of_receiving_also_bring_pieces():
    check = checks.lines(lambda conn: conn.recvfrom(1024)[0].decode(errors="ignore").splitlines())
    assert "Você parou no primeiro recv" in check.text


def exactly_six_and_then_nothing(conn, n):
    return exactly(conn, n) if n == 6 else None


def test_an_answer_of_another_kind_does_not_stop_the_check():
    check = checks.receives_exactly(exactly_six_and_then_nothing)
    assert "Você devolveu None" in check.text
    assert not checks.lines(lambda conn: [1, b"a", None, ()]).ok
    assert not checks.which_address(lambda mine, other: {"a": 1}).ok


def send(conn, text):
    data = text.encode()
    conn.sendall(struct.pack("!I", len(data)) + data)


def send_in_two(conn, text):
    conn.sendall(len(text.encode()).to_bytes(4, "big"))
    conn.sendall(text.encode())


def receive(conn):
    return exactly(conn, struct.unpack("!I", exactly(conn, 4))[0]).decode()


def send_letters(conn, text):
    conn.sendall(struct.pack("!I", len(text)) + text.encode())


def size_of(text):
    return struct.pack("!I", len(text))


def send_size_and_four(conn, text):
    data = text.encode()
    conn.sendall(struct.pack("!I", len(data) + 4) + data)


def send_little_endian(conn, text):
    conn.sendall(struct.pack("<I", len(text.encode())) + text.encode())


def send_unless_empty(conn, text):
    if text:
        send(conn, text)


def send_and_wait(conn, text):
    send(conn, text)
    conn.recv(1024)


def size(conn, order="!I"):
    return struct.unpack(order, exactly(conn, 4))[0]


def receive_what_came(conn):
    left, data = size(conn), b""
    while len(data) < left and (piece := conn.recv(left - len(data))):
        data += piece
    return data.decode()


def receive_at_least_one(conn):
    left, data = size(conn), b""
    while piece := conn.recv(left - len(data)):
        data += piece
        if len(data) == left:
            return data.decode()
    raise ConnectionError("acabou")


def test_framing_is_accepted_in_any_style():
    assert checks.framing(send, receive).ok and checks.framing(send_in_two, receive).ok


@pytest.mark.parametrize(
    ("sender", "receiver", "hint"),
    [
        (send_letters, receive, "O tamanho foi 11, que são as letras; em bytes, 19"),
        (send_size_and_four, receive, "O tamanho foi 6: é só o do texto, 2, sem contar"),
        (lambda conn, text: conn.sendall(size_of(text) + text), receive, "texto.encode(), e é"),
        (send, lambda conn: exactly(conn, 4).decode(), "Esse é o tamanho, e não o texto"),
        (send, receive_at_least_one, "recv(0) devolve b'', que aí não é o fim"),
        (send_little_endian, receive, "São 4 bytes, struct.pack('!I'"),
        (lambda conn, text: None, receive, "Recebi b''"),
        (send, lambda conn: exactly(conn, struct.unpack("!H", exactly(conn, 4))[0]), "2 bytes"),
        (send, lambda conn: conn.recv(99).decode()[4:], "o resto é da próxima mensagem"),
        (send, lambda conn: "", "Com a mensagem 'oi', esperava 'oi'"),
        (send, lambda conn: exactly(conn, struct.unpack("!I", exactly(conn, 4))), "use [0]"),
        (send, lambda conn: conn.recv(struct.unpack("!I", conn.recv(4))), "use [0]"),
        (send, lambda conn: conn.recv(conn), "TypeError"),
        (send_unless_empty, receive, "com o tamanho zero"),
        (send_and_wait, receive, "quem envia só envia"),
        (send, lambda conn: exactly(conn, size(conn, "<I")).decode(), "a ordem da rede"),
        (send, lambda conn: exactly(conn, size(conn) - 4).decode(), "sem contar os 4 bytes"),
        (send, lambda conn: str(exactly(conn, size(conn))), "quem faz deles texto é decode"),
        (send, receive_what_came, "como se fosse a mensagem"),
    ],
)
def test_mistake_about_framing_gets_its_hint(sender, receiver, hint):
    check = checks.framing(sender, receiver)
    assert not check.ok and hint in check.text


PROGRAM = "import socket, sys\nhost, port, text = sys.argv[1:]\n"
HERE_ONLY = "só esta máquina"
WHOLE = "s.sendall(text.encode())\ns.shutdown(socket.SHUT_WR)\nwhile s.recv(99): pass\n"
ONLY_THE_BEGINNING = (
    "s.sendall(text.encode()[:1024])\ns.shutdown(socket.SHUT_WR)\n"
    "print(s.makefile('rb').read().decode())"
)
COUNTED = (
    "data = b''\nwhile len(data) < len(text.encode()): data += s.recv(1024)\nprint(data.decode())"
)
RECV_THREE_TIMES = (
    "s.sendall(text.encode())\ns.shutdown(socket.SHUT_WR)\n"
    "print(b''.join(s.recv(1024) for _ in range(3)).decode())"
)
HIDES_ERRORS = (
    "s.sendall(text.encode())\ntry: print(s.recv(1022)[:3].decode())\nexcept Exception: pass"
)
CONNECT = "s = socket.create_connection((host, int(port)), 5)\n"
SLEEPS_FIRST = (
    "import time\ns.sendall(text.encode())\ns.shutdown(socket.SHUT_WR)\ntime.sleep(0.5)\n"
    "print(s.recv(65536).decode())"
)
A_DEADLINE_AS_THE_END = (
    "s.settimeout(1)\ns.sendall(text.encode())\ndata = b''\ntry:\n"
    "    while part := s.recv(1024): data += part\n"
    "except TimeoutError: pass\nprint(data.decode())"
)
KEEPS_ONLY_THE_LAST = (
    "s.sendall(text.encode())\ns.shutdown(socket.SHUT_WR)\nwhile True:\n"
    "    data = s.recv(1024)\n    if not data: break\nprint(data.decode())"
)
UNTIL_A_SHORT_ONE = (
    CONNECT + "s.sendall(text.encode())\ndata = b''\nwhile True:\n    part = s.recv(1024)\n"
    "    data += part\n    if len(part) < 1024: break\nprint(data.decode())"
)


SEND = CONNECT + "s.sendall(text.encode())\ns.shutdown(socket.SHUT_WR)\n"
DECODES_EACH = "data = ''\nwhile part := s.recv(65536): data += part.decode()\nprint(data)"
COUNTS_LETTERS = (
    "data = b''\nwhile len(data) < len(text): data += s.recv(65536)\nprint(data.decode())"
)
COMPARES_TEXT = "data = s.recv(9999)\nwhile data != '':\n    data = s.recv(9999)"
SILENCE_IN_SELECT = (
    "import select\ndata = b''\nwhile select.select([s], [], [], 1)[0]: data += s.recv(9999)\n"
    "print(data.decode())"
)
PRINTS_EACH = "while part := s.recv(100): print(part.decode(errors='ignore'))"
TELLS_ITS_ERROR = CONNECT + "try: s.sendall(text)\nexcept Exception as e: print('erro:', e)"


@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (
            SEND + DECODES_EACH,
            "O recv cortou uma letra, e um recv curto não é o fim: junte todos os bytes",
        ),
        (SEND + DECODES_EACH.replace("()", "(errors='ignore')"), "errors="),
        (SEND + COUNTS_LETTERS, "compare com len(mensagem.encode()), que não são letras"),
        (SEND + COMPARES_TEXT, "um lado é bytes, e o outro, texto"),
        (CONNECT + "s.sendall(text.encode())\n" + SILENCE_IN_SELECT, "esperou um prazo acabar"),
        (SEND + PRINTS_EACH, "print põe um fim de linha: junte os pedaços"),
        (SEND + "print(print(end=''))", "None é o que uma função sem return devolve"),
        (TELLS_ITS_ERROR, "O que deu errado? Se um except engole os erros"),
        ("", "terminou sem conectar"),
        (CONNECT + "s.close()", "conectou e não enviou nada"),
        (CONNECT + "s.sendall(text)", "TypeError: a bytes-like object is required"),
        (CONNECT + "s.sendall(text.encode())\nprint(s.recv(1022).decode())", "só uma parte"),
        (CONNECT + "s.sendall(text.encode())\nprint('Eco:', s.recv(999).decode())", "só o eco"),
        ("while True: pass", "o programa não terminou"),
        (CONNECT + "s.recv(9)", "ele espera a resposta antes de enviar?"),
        (CONNECT + "s.sendall(text.encode())\nwhile s.recv(99): pass", "faltou s.shutdown"),
        (CONNECT + "s.sendall(text.encode())\ns.recv(99)", "Faltou o print?"),
        (CONNECT + "s.sendall(text.encode())\nprint(s.recv(99))", "faltou o decode"),
        (CONNECT + "s.sendall(text.encode())\nprint(s.recv(3).decode())", "cortou uma letra"),
        (CONNECT + "s.sendall(text.encode())\nprint(text)", "fechou sem receber o eco inteiro"),
        (CONNECT + "s.sendall(textos.encode())", "na linha 4, `s.sendall(textos.encode())`."),
        (CONNECT + ONLY_THE_BEGINNING, "chegaram só 1024 dos 2800 bytes"),
        (CONNECT + "m = input()", "use o que o exercício dá no lugar do input"),
        (CONNECT + "try: m = input()\nexcept EOFError: pass", "a mensagem vem em sys.argv[3]"),
        (CONNECT + "print(text)", "não enviou nada; na tela, 'oi'"),
        (CONNECT + "s.sendall(text.encode())\ns.shutdown(SHUT_WR)", "como em socket.SHUT_WR"),
        ("socket.socket().connect((host, port))", "vira número com int(porta)"),
        ("host, port, text = sys.argv", "host, porta = sys.argv[1:3]"),
        ("socket.create_connection((sys.argv[0], int(host)))", "os argumentos começam no [1]"),
        ("def main():\n    " + CONNECT, "chame-a no fim, com main()"),
        (UNTIL_A_SHORT_ONE, "em 13 pedaços, um depois do outro"),
        (CONNECT + SLEEPS_FIRST, "em 13 pedaços, um depois do outro"),
        (CONNECT + A_DEADLINE_AS_THE_END, "O texto está certo, mas você esperou um prazo acabar"),
        (CONNECT + KEEPS_ONLY_THE_LAST, "No fim, data é o último recv, b'': guarde cada pedaço"),
        (CONNECT + RECV_THREE_TIMES, "em 13 pedaços, um depois do outro"),
        (CONNECT + "s.sendall(text.encode() + b'\\n')\n" + COUNTED, "ao servidor chegou b'oi\\n'"),
        (
            CONNECT
            + "s.sendall(text.encode())\n"
            + COUNTED.replace("decode()", "decode().upper()"),
            "sem upper",
        ),
        ("socket.create_server((host, int(port)))", "Esse programa é o cliente: ele conecta"),
        (CONNECT + "s.shutdown(socket.SHUT_WR)\ns.sendall(text.encode())", "vem depois do sendall"),
        (CONNECT + "s.sendall(text.encode())\ns.shutdown(s.SHUT_WR)", "como em socket.SHUT_WR"),
        (CONNECT + "s.sendall(text.encode())\ns.shutdown()", "escreva s.shutdown(socket.SHUT_WR)"),
        (CONNECT + "s.sendall(text.encode('ascii'))\n" + COUNTED, "é UTF-8"),
        ("host, port, text = sys.argv[1:3]", "para três, sys.argv[1:4]"),
        (CONNECT + HIDES_ERRORS, "Se um except engole os erros, tire-o"),
        ("if __name__ == 'main':\n    " + CONNECT, "com dois sublinhados de cada lado de main"),
        (CONNECT + WHOLE + "print(text)", "o programa mostrou 'olá': mostre o que o recv trouxe"),
        (
            CONNECT + "s.sendall(text.encode())\ns.close\nwhile s.recv(99): pass",
            "Sem os parênteses da chamada, .close não faz nada.",
        ),
        ("socket.create_connection((host, 1), 5)", "que o programa recebeu, em sys.argv: use-os"),
    ],
)
def test_mistake_in_a_program_gets_its_hint(tmp_path, monkeypatch, body, hint):
    monkeypatch.setattr(isolated, "TIMEOUT", 1.0)
    program = tmp_path / "programa.py"
    program.write_text(PROGRAM + body, encoding="utf-8")
    check = checks.client_program(str(program))
    assert not check.ok and hint in check.text


def test_program_that_waits_for_more_after_the_whole_echo_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(isolated, "TIMEOUT", TIMEOUT)
    program = tmp_path / "programa.py"
    program.write_text(
        PROGRAM + CONNECT.replace("5", "99") + WHOLE.replace("s.shut", "# "), "utf-8"
    )
    start = monotonic()
    check = checks.client_program(str(program))
    assert "O eco já voltou inteiro, e ele espera mais" in check.text, check
    assert monotonic() - start < TIMEOUT


def test_program_that_ends_before_it_is_accepted_is_judged_by_what_it_sent(tmp_path, monkeypatch):
    ended, accept, run = threading.Event(), TracedSocket.accept, programs._to_the_end

    def run_to_the_end(*given):
        try:
            return run(*given)
        finally:
            ended.set()

    def accept_late(listener):
        assert ended.wait(TIMEOUT)
        return accept(listener)

    monkeypatch.setattr(programs, "_to_the_end", run_to_the_end)
    monkeypatch.setattr(TracedSocket, "accept", accept_late)
    program = tmp_path / "programa.py"
    program.write_text(PROGRAM + CONNECT + "s.sendall(text.encode())\nprint(text)", "utf-8")
    check = checks.client_program(str(program))
    assert "fechou sem receber o eco inteiro" in check.text
    assert len([event for event in check.events if event.call == "accept"]) == 1


@pytest.mark.parametrize(
    "body",
    [
        CONNECT + "s.sendall(text.encode())\ndata = b''\n"
        "while len(data) < len(text.encode()): data += s.recv(99)\nprint(data.decode())",
        CONNECT + "s.sendall(text.encode())\ns.shutdown(socket.SHUT_WR)\n"
        "data = s.makefile('rb').read()\nassert data == text.encode()\nprint(data.decode())",
        CONNECT.replace("5", "1") + "s.sendall(text.encode())\ns.shutdown(socket.SHUT_WR)\n"
        "data = b''\ntry:\n    while part := s.recv(99): data += part\n"
        "except TimeoutError: sys.exit('tarde')\nprint(data.decode())",
        "from echo_lib import EchoClient\n"
        "with EchoClient(host, int(port)) as client: print(client.send(text))",
    ],
)
def test_right_program_passes_in_any_style(tmp_path, body):
    program = tmp_path / "programa.py"
    program.write_text(PROGRAM + body, encoding="utf-8")
    check = checks.client_program(str(program))
    assert check.ok, check


def test_program_is_not_blamed_for_how_long_the_server_takes_to_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(isolated, "TIMEOUT", 1.0)
    monkeypatch.setattr(programs, "_PAUSE", 0.25)  # treze vezes: mais do que o prazo do programa
    program = tmp_path / "programa.py"
    program.write_text(PROGRAM + SEND + "print(s.makefile('rb').read().decode())", "utf-8")
    check = checks.client_program(str(program))
    assert check.ok, check


def test_program_that_does_not_exist_is_said():
    assert "Não achei nada.py" in checks.client_program("nada.py").text


def test_states_reach_and_networks():
    assert checks.states(lambda port: sorted(row.state for row in ports(port))).ok
    none = checks.states(lambda port: []).text
    assert "esperava ['LISTEN']" in none and "da porta que a função recebe" in none
    assert "só o .state" in checks.states(ports).text
    assert "só o .state" in checks.states(lambda port: [str(row) for row in ports(port)]).text
    listening = checks.states(lambda port: [r.state for r in ports(port) if r.state == "LISTEN"])
    assert "e não a PORTA da lição? De todos os estados, sem filtrar?" in listening.text
    letters = checks.states(lambda port: sorted("".join(row.state for row in ports(port))))
    assert "+= junta à lista cada letra" in letters.text
    lower = checks.states(lambda port: sorted(row.state.lower() for row in ports(port)))
    assert "em maiúsculas: LISTEN" in lower.text
    reused = checks.states(lambda port: [*(r.state.lower() for r in ports(port)), "time_wait"])
    assert "em maiúsculas: LISTEN" in reused.text, "a porta guardava o fim de outra conversa"
    other = checks.states(
        lambda port: sorted(row.state.replace("BLISHED", "") for row in ports(port))
    )
    assert "Os nomes são os de .state" in other.text
    shown = checks.states(lambda port: [print(row.state) for row in ports(port)])
    assert shown.text.count("  LISTEN") == 1
    once = checks.states(lambda port: sorted({row.state for row in ports(port)}))
    assert "sem set(), que tira as repetidas" in once.text
    kept: list[str] = []
    again = checks.states(lambda port: [*map(kept.append, [r.state for r in ports(port)])] and kept)
    assert "a lista começa vazia dentro dela" in again.text
    two = ("LISTEN", "ESTABLISHED")
    rested = checks.states(lambda p: sorted(r.state for r in ports(p) if r.state in two))
    assert "esperava ['LISTEN', 'TIME_WAIT'" in rested.text, rested
    by_age = checks.states(lambda port: sorted((r.state for r in ports(port)), reverse=True))
    assert "São esses: falta a ordem alfabética." in by_age.text
    assert checks.reach(
        lambda host: "só esta máquina" if host[:4] in ("127.", "loca") else "a rede"
    ).ok
    right = checks.same_network(
        lambda one, other, mask: (
            ipaddress.ip_address(other) in ipaddress.ip_network(f"{one}/{mask}", strict=False)
        )
    )
    assert right.ok
    assert "reticências" in checks.reach(lambda host: ...).text
    assert "Com '127.0.0.1', a função devolveu None. Faltou o return" in checks.reach(print).text


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda host: 3, "A resposta é um texto"),
        (lambda host: "so esta maquina", "são duas, com estas letras: 'só esta máquina'"),
        (lambda host: "a rede", "com que a máquina fala consigo mesma"),
        (lambda host: HERE_ONLY if host == "127.0.0.1" else "a rede", "que começa por 127."),
        (lambda host: HERE_ONLY if host.startswith("127") else "a rede", "vale por 127.0.0.1"),
        (lambda host: HERE_ONLY, "solto depois de or"),
        (
            lambda host: HERE_ONLY if ipaddress.ip_address(host) else "",
            "Chamei a função com 'localhost'. Seu código",
        ),
        (lambda host: HERE_ONLY if host < "192." or host > "a" else "a rede", "São todos"),
        (lambda host: HERE_ONLY if "127" in host or host > "a" else "a rede", "está no meio"),
        (
            lambda host: HERE_ONLY if host.startswith(("127.0.", "local")) else "a rede",
            "venha o que vier depois",
        ),
        (lambda host: HERE_ONLY if host[:2] in ("12", "lo") else "a rede", "Este começa por 12,"),
    ],
)
def test_mistake_about_who_reaches_a_host_gets_its_hint(answer, hint):
    check = checks.reach(answer)
    assert not check.ok and hint in check.text


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda one, other, mask: 1, "A resposta é True ou False"),
        (lambda one, other, mask: one[:8] == other[:8], "11111111: há um 1 onde eles diferem"),
        (lambda one, other, mask: one[:9] == other[:9], "a máscara tem 0: essa parte não conta"),
        (lambda one, other, mask: bool(one), "é o outro que você procura na rede de um?"),
        (lambda one, other, mask: common(one, other, mask, "255"), "10000000: há um 1"),
        (lambda one, other, mask: common(one, other, mask, "1"), "11111100: eles são iguais nos 1"),
    ],
)
def test_mistake_about_a_mask_gets_its_hint(answer, hint):
    check = checks.same_network(answer)
    assert not check.ok and hint in check.text


def test_two_answers_turned_around_are_told():
    for check in (
        checks.reach(lambda host: "a rede" if host[:4] in ("127.", "loca") else HERE_ONLY),
        checks.same_network(
            lambda one, other, mask: (
                ipaddress.ip_address(other)
                not in ipaddress.ip_network(f"{one}/{mask}", strict=False)
            )
        ),
    ):
        assert (
            not check.ok
            and "Em todos os casos vem a outra: as duas respostas estão trocadas." in check.text
        )


def common(one, other, mask, least):
    """Se são iguais as partes em que o texto da máscara não vem antes deste."""
    parts = zip(one.split("."), other.split("."), mask.split("."), strict=True)
    return all(a == b for a, b, bits in parts if bits >= least)


SERVER = """import socket, sys
with socket.create_server((sys.argv[1], int(sys.argv[2]))) as s:
    while True:
        conn, addr = s.accept()
        with conn:
            while dados := conn.recv(1024):
                conn.sendall(dados)
"""
PATIENT = SERVER.replace("            while", "          try:\n            while").replace(
    "sendall(dados)", "sendall(dados)\n          except ConnectionError: pass"
)


DECODES_A_LOT = PATIENT.replace("1024", "65536").replace("(dados)", "(dados.decode().encode())")
ONLY_THE_RESET = PATIENT.replace("ConnectionError", "ConnectionResetError")
SPINS_AT_THE_END = SERVER.replace(
    "while dados := conn.recv(1024):", "while (dados := conn.recv(1024)) != '':"
)
THREAD_WITHOUT_A_COMMA = (
    "import threading\ndef talk(conn):\n    with conn:\n"
    "        while dados := conn.recv(1024): conn.sendall(dados)\n"
    + SERVER.partition("        with")[0]
    + "        threading.Thread(target=talk, args=(conn)).start()\n"
)
# A thread espera que o with a feche, e assim nunca chega antes ao recv.
CLOSED_FOR_THE_THREAD = (
    THREAD_WITHOUT_A_COMMA.replace("        threading", "        with conn: threading")
    .replace("(conn))", "(conn,))")
    .replace(
        "    with conn:\n",
        "    while late and conn.fileno() != -1: time.sleep(0.001)\n    with conn:\n",
        1,
    )
    .replace("import threading", "import threading, time; late = [True]", 1)
)
CLOSED_FOR_THE_SECOND = CLOSED_FOR_THE_THREAD.replace(
    ".start()", ".start(); late or time.sleep(0.5); late.append(True)"
).replace("late = [True]", "late = []", 1)


TRIES_ONLY_THE_RECV = SERVER.replace(
    "            while dados := conn.recv(1024):\n",
    "            while True:\n"
    "                try: dados = conn.recv(1024)\n"
    "                except ConnectionError: break\n"
    "                if not dados: break\n",
)
TRIES_ONLY_THE_SENDALL = SERVER.replace(
    "conn.sendall(dados)\n",
    "try: conn.sendall(dados)\n                except ConnectionError: break\n",
)
DROPS_THE_SILENT = PATIENT.replace("ConnectionError", "OSError").replace(
    "        with", "        conn.settimeout(0.7)\n        with"
)
NEVER_CLOSES = PATIENT.replace("with conn", "if conn")
LISTENS_AGAIN = """import socket, sys
while True:
    with socket.create_server((sys.argv[1], int(sys.argv[2]))) as s:
        conn, addr = s.accept()
        with conn:
            try:
                while dados := conn.recv(1024):
                    conn.sendall(dados)
            except ConnectionError:
                pass
"""
LISTENS_AND_KEEPS = """import socket, sys
kept = []
while True:
    s = socket.create_server((sys.argv[1], int(sys.argv[2])))
    kept.append(s)
    conn, addr = s.accept()
    with conn:
        while dados := conn.recv(1024):
            conn.sendall(dados)
"""
A_CLIENT = """import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2]))).close()
except ConnectionRefusedError:
    sys.exit("Ninguém escuta ali.")
"""
IN_A_GROUP = """import asyncio

async def falha():
    raise KeyError('sala')

async def main():
    async with asyncio.TaskGroup() as grupo:
        grupo.create_task(falha())

asyncio.run(main())
"""
IN_A_FUNCTION = "def main():\n" + "".join(f"    {line}\n" for line in SERVER.splitlines())


def test_server_program_with_a_port_of_its_own_that_is_taken_hears_of_its_own(tmp_path):
    with socket.create_server((HERE, 0)) as taken:
        port = taken.getsockname()[1]
        path = tmp_path / "programa.py"
        own = SERVER.replace("(sys.argv[1], int(sys.argv[2]))", "('127.0.0.1', PORTA)")
        path.write_text(f"PORTA = {port}\n{own}", encoding="utf-8")
        check = checks.server_program(str(path))
    assert not check.ok and "e tentou outra, que já tem dono: use a de sys.argv." in check.text
    assert "stop()" not in check.text


@pytest.mark.parametrize(
    ("program", "hint"),
    [
        ("", "acabou antes da hora (código 0)"),
        ("1 / 0", "falhou: ZeroDivisionError"),
        (IN_A_GROUP, "falhou: KeyError: 'sala', na linha 4, `raise KeyError('sala')`."),
        (
            SERVER.replace("while True", "for _ in [1]"),
            "falta um laço, ou um break, um exit ou um except fora do laço",
        ),
        (SERVER.replace("(dados)", "(dados.decode())"), "recebeu texto"),
        (
            SERVER.replace("(dados)", "(b'Eco: ' + dados)"),
            "e recebi b'Eco: oi'. O eco são os bytes que chegaram",
        ),
        (SERVER.replace("conn.sendall", "print"), "O que conn.recv traz volta por conn.sendall?"),
        (SERVER.replace("1024", "'1024'"), "escreva o número sem aspas"),
        (SERVER.replace("int(sys.argv[2])", "sys.argv[2]"), "vira número com int(porta)"),
        (SERVER.replace("(sys.argv[1]", "sys.argv[1]").replace("]))", "])"), "parênteses duplos"),
        (SERVER.replace("create_server", "create_connection"), "Conectar é do cliente"),
        (SERVER.replace(") as s:", ") as s"), "faltam os dois-pontos"),
        (IN_A_FUNCTION, "chame-a no fim, com main()"),
        (PATIENT.replace("        with", "        conn.settimeout(1)\n        with"), "timed out"),
        (DROPS_THE_SILENT, "calar-se não é sair"),
        (NEVER_CLOSES, "o programa não fechou a conexão. Quando o recv devolver b''"),
        (PATIENT + "          conn.sendall(b'tchau')\n", "veio ainda b'tchau', que ele não enviou"),
        (SERVER, "Linux 104)\nConnectionResetError é de um cliente só: o servidor continua"),
        (TRIES_ONLY_THE_RECV, "O corte também pode chegar no sendall"),
        (TRIES_ONLY_THE_SENDALL, "o servidor continua."),
        (PATIENT.replace("while True", "for _ in range(8)"), "Ele não acaba sozinho"),
        (PATIENT.replace("while True", "for _ in range(100)"), "Ele não acaba sozinho"),
        (SERVER.replace("while dados", "if dados"), "o servidor volta ao recv, até vir b''"),
        (
            PATIENT.replace("conn.sendall", "print(dados.decode()); conn.sendall"),
            "O programa falhou: UnicodeDecodeError",
        ),
        (DECODES_A_LOT, "Um eco não precisa de texto: tire o decode"),
        (SPINS_AT_THE_END, "Na linha 6, um lado é bytes, e o outro, texto"),
        (CLOSED_FOR_THE_THREAD, "este socket já foi fechado"),
        (CLOSED_FOR_THE_SECOND, "este socket já foi fechado"),
        (THREAD_WITHOUT_A_COMMA, "escreva args=(conn,)"),
        pytest.param(
            ONLY_THE_RESET,
            "capture ConnectionError, e o servidor continua",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="lá, o erro é outro"),
        ),
        (SERVER.replace("int(sys.argv[2])", "0"), "faltou usar sys.argv?"),
        ("import time\ntime.sleep(60)", "faltou o listen, ou usar sys.argv?"),
        (PATIENT.replace("sendall(dados)", "send(dados)"), "sendall envia todos"),
        (LISTENS_AGAIN.replace("        with", "    with"), "A escuta se abre uma vez, antes"),
        (LISTENS_AGAIN, "A escuta se abre uma vez, antes do laço"),
        (SERVER.replace("sys.argv[1]", "'0.0.0.0'"), "e escuta em 0.0.0.0: use o host"),
        (
            PATIENT.replace(" as s:\n", " as s:\n    s.settimeout(1)\n"),
            "s.accept()`.\nUm prazo do accept que acaba só diz que ninguém chegou ainda: capture-o",
        ),
        (
            PATIENT.replace("with conn", "with s"),
            "a escuta fica aberta até o fim; no laço, feche só conn",
        ),
        (LISTENS_AND_KEEPS, "A escuta se abre uma vez, antes do laço"),
        (A_CLIENT, "Conectar é do cliente"),
        ("if __name__ == 'main':\n    1 / 0", "com dois sublinhados de cada lado de main"),
    ],
)
def test_mistake_in_a_server_program_gets_its_hint(tmp_path, monkeypatch, program, hint):
    monkeypatch.setattr(isolated, "TIMEOUT", 1.0)
    if "sleep(60)" in program:  # os outros acabam, ou escutam, numa máquina lenta mais tarde
        monkeypatch.setattr("echo_lib.checks.programs._BEGIN", 2.0)
    path = tmp_path / "programa.py"
    path.write_text(program, encoding="utf-8")
    check = checks.server_program(str(path))
    assert not check.ok and hint in check.text, check


def test_program_saved_under_another_name_is_told(tmp_path):
    old, new = tmp_path / "meu_cliente.py", tmp_path / "meucliente.py"
    for path in (old, new):
        path.write_text("print('oi')")
    for path, time in ((old, 1000), (new, 2000)):
        os.utime(path, (time, time))
    said = "Conferi meu_cliente.py; mais novo que ele, há meucliente.py: é nesse a sua resposta?"
    assert said in checks.client_program(str(old)).text
    os.utime(old, (3000, 3000))
    assert "Conferi" not in checks.client_program(str(old)).text
    os.utime(old, (1000, 1000))
    new.unlink()
    new.symlink_to("não existe")  # como as travas de certos editores
    assert "Conferi" not in checks.client_program(str(old)).text


def test_a_port_that_another_program_took_is_not_blamed_on_the_student(tmp_path, monkeypatch):
    path = tmp_path / "programa.py"
    path.write_text(PATIENT, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        chosen = iter([taken.getsockname()[1]])
        choose = program.spare_port
        monkeypatch.setattr(program, "spare_port", lambda: next(chosen, 0) or choose())
        check = checks.server_program(str(path))
    assert check.ok and next(chosen, 0) == 0, check


def test_program_with_the_name_of_a_module_is_told_to_change_it(tmp_path):
    path = tmp_path / "socket.py"
    path.write_text(SERVER, encoding="utf-8")
    assert "há nesta pasta um .py com o nome de um módulo" in checks.server_program(str(path)).text


@pytest.mark.parametrize(
    "program",
    [
        PATIENT.replace(" as s:\n", " as s:\n    s.settimeout(9)\n"),
        "import sys, threading\nfrom echo_lib import EchoServer\n"
        "with EchoServer(sys.argv[1], int(sys.argv[2])): threading.Event().wait()",
        "import asyncio, sys\n"
        "async def attend(reader, writer):\n"
        "    try:\n"
        "        while data := await reader.read(1024):\n"
        "            writer.write(data)\n"
        "    except ConnectionError: pass\n"
        "    writer.close()\n"
        "async def main():\n"
        "    server = await asyncio.start_server(attend, sys.argv[1], int(sys.argv[2]))\n"
        "    await server.serve_forever()\n"
        "asyncio.run(main())",
    ],
)
def test_right_server_program_passes_in_any_style(tmp_path, program):
    path = tmp_path / "programa.py"
    path.write_text(program, encoding="utf-8")
    check = checks.server_program(str(path))
    assert check.ok, check


def test_server_program_that_says_a_lot_passes(tmp_path):
    """O que ele escreve vai a um arquivo: um pipe cheio o deixaria parado."""
    path = tmp_path / "programa.py"
    path.write_text(
        PATIENT.replace("conn.sendall", "print('x' * 200_000, file=sys.stderr); conn.sendall"),
        encoding="utf-8",
    )
    check = checks.server_program(str(path))
    assert check.ok, check
