"""As verificações dos exercícios 2 a 4 das lições 02 a 07: cada engano com a sua pista."""

import ipaddress
import select
import selectors
import socket
import sys
import threading
import time
from contextlib import suppress

import cloudpickle
import pytest

from echo_lib import EchoClient, EchoServer, checks, isolated
from echo_lib.checks import peers
from echo_lib.network import next_free_port, ports

# As funções daqui vão inteiras ao outro processo, como as de um notebook.
cloudpickle.register_pickle_by_value(sys.modules[__name__])
HERE = "127.0.0.1"


@pytest.fixture(autouse=True)
def short_wait(monkeypatch):
    monkeypatch.setattr(isolated, "TIMEOUT", 1.5)


def rejected(check, hint):
    assert not check.ok
    assert hint in check.text, check


# 03.1: atender


def greets(conn):
    conn.sendall(b"Bem-vindo!\n")
    echo(conn)


def prefixes(conn):
    while data := conn.recv(1024):
        conn.sendall(b"Eco: ")
        conn.sendall(data)


def sends_in_thousands(conn):
    while data := conn.recv(1000):
        conn.send(data if len(data) < 500 else data.upper())


def only_the_first_twenty(conn):
    while data := conn.recv(1024):
        conn.sendall(data[:20])


def byte_by_byte(conn):
    while data := conn.recv(1):
        conn.sendall(data)


def sends_the_rest(conn):
    while data := conn.recv(4096):
        while data:
            data = data[conn.send(data) :]


def impatient_and_late(conn):
    time.sleep(0.1)  # como numa máquina ocupada: o prazo começa a contar tarde
    conn.settimeout(0.2)
    try:
        while data := conn.recv(1024):
            conn.sendall(data)
    except TimeoutError:
        pass


def patient_for_long(conn):
    conn.settimeout(30)
    with suppress(TimeoutError):
        echo(conn)


def gives_the_deadline_back(conn):
    conn.settimeout(1)
    with suppress(TimeoutError):
        echo(conn)
    conn.settimeout(None)


def asks_select(conn):
    while select.select([conn], [], [], 1)[0] and (data := conn.recv(1024)):
        conn.sendall(data)


def asks_selectors(conn):
    with selectors.DefaultSelector() as selector:
        selector.register(conn, selectors.EVENT_READ)
        while selector.select(1) and (data := conn.recv(1024)):
            conn.sendall(data)


def leaves_in_the_middle(conn):
    while True:
        data = conn.recv(1024)
        conn.sendall(data)
        if len(data) < 1024:
            break


def waits_a_moment(conn):
    conn.sendall(conn.recv(1024))
    conn.settimeout(0.0001)  # menos do que quem verifica leva entre duas mensagens
    with suppress(TimeoutError):
        echo(conn)


def hides_its_own_mistake(conn):
    try:
        while data := conn.recv(1024):
            conn.sendal(data)
    except:  # noqa: E722
        pass


def hides_and_throws_again(conn):
    try:
        conn.recv(1024)
    except Exception:
        raise


def compares_with_text(conn):
    data = conn.recv(1024)
    while data != "":
        conn.sendall(data)
        data = conn.recv(1024)


def compares_one_byte_with_bytes(conn):
    while data := conn.recv(1024):
        conn.sendall(data if data[0] == b"o" else b"?")


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (compares_with_text, """Em `while data != "":`, um lado é bytes, e o outro, texto:"""),
        (compares_one_byte_with_bytes, 'b"o" else b"?")`, um lado é bytes, e o outro, um número:'),
    ],
)
def test_bytes_compared_with_what_they_never_equal_are_told_with_the_line(function, said):
    rejected(checks.server(function), said)


def erases_the_error(conn):
    try:
        while data := conn.recv(1024):
            conn.sendall(data.uper())
    finally:
        return  # noqa: B012


def test_return_in_a_finally_is_told():
    rejected(checks.server(erases_the_error), "o return no finally o apaga")


def test_only_who_hides_errors_is_told_to_take_the_except_away():
    hint = "Se um except engole os erros, tire-o para ver qual é."
    rejected(checks.server(hides_its_own_mistake), hint)
    check = checks.server(hides_and_throws_again)
    assert not check.ok and hint not in check.text, check


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        (only_the_first_twenty, "Você devolveu menos do que recebeu"),
        (greets, "a resposta é feita dos que chegaram"),
        (impatient_and_late, "calar-se não é sair"),  # cedo ou tarde, é isso o que se lhe diz
        (waits_a_moment, "O seu prazo acabou antes de o cliente falar, e calar-se não é sair"),
        (patient_for_long, "calar-se não é sair"),
        (gives_the_deadline_back, "calar-se não é sair"),
        (asks_select, "calar-se não é sair"),
        (asks_selectors, "calar-se não é sair"),
        (leaves_in_the_middle, "Se há um, um return ou um break o encerra antes do fim"),
        (prefixes, "a resposta é feita dos que chegaram"),
        (sends_in_thousands, "a resposta é feita dos que chegaram"),
        (lambda conn: conn.sendall(conn.recv(99).upper()), "a resposta é feita dos que chegaram"),
    ],
)
def test_mistake_in_an_echo_does_not_get_the_hint_of_another(function, hint):
    rejected(checks.server(function), hint)


@pytest.mark.parametrize("function", [sends_the_rest, byte_by_byte])
def test_sending_the_rest_or_asking_little_is_right(function):
    assert checks.server(function).ok


# 04.1: conversar


def talks(host, port, message, at_the_end):
    with socket.create_connection((host, port), timeout=1) as s:
        s.sendall(message.encode())
        data = b""
        while len(data) < len(message.encode()):
            if not (part := s.recv(1024)):
                at_the_end(part)
            data += part
        return data.decode()


@pytest.mark.parametrize(
    ("at_the_end", "hint"),
    [
        (lambda part: sys.exit("o servidor fechou"), "SystemExit: o servidor fechou"),
        (lambda part: part[0], "IndexError: index out of range"),
        (lambda part: {}[part], "KeyError: b''"),
    ],
)
def test_end_in_the_middle_of_an_echo_asks_for_an_error_of_connection(at_the_end, hint):
    check = checks.client(lambda host, port, text: talks(host, port, text, at_the_end))
    rejected(check, f"raise ConnectionError(…). Seu código parou com {hint}")


# 02.3: porta_livre


def by_create_server(port):
    try:
        with socket.create_server((HERE, port)):
            return True
    except OSError:
        return False


def by_bind(port):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        s.bind((HERE, port))
    except OSError as error:
        return error is None
    finally:
        s.close()
    return True


def by_next_free_port(port):
    return next_free_port(HERE, port) == port


@pytest.mark.parametrize("function", [by_create_server, by_bind, by_next_free_port])
def test_free_port_is_accepted_in_any_style(function):
    assert checks.port_is_free(function).ok


def by_connecting(port):
    with socket.socket() as s:
        s.settimeout(1)
        return s.connect_ex((HERE, port)) != 0


def by_the_list(port):
    return not any(row.state == "LISTEN" for row in ports(port))


def without_try(port):
    with socket.create_server((HERE, port)):
        return True


def at_another_address(port):
    try:
        with socket.create_server(("203.0.113.1", port)):
            return True
    except OSError:
        return False


def hides_every_error(port):
    try:
        with socket.create_server(HERE, port):
            return True
    except:  # noqa: E722
        return False


async def begins_nothing(port):
    return True


def forgotten(port):
    try:
        s = socket.create_server((HERE, port))
    except OSError:
        return False
    return bool(s)


def kept(port):
    global keeper
    try:
        keeper = socket.create_server((HERE, port))
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        (lambda port: True, "uma porta em que outro escuta, esperava False"),
        (by_connecting, "só o bind decide"),
        (by_the_list, "só o bind decide"),
        (without_try, "Seu código parou com OSError"),
        (lambda port: False, "uma porta livre, esperava True"),
        (at_another_address, "Seu bind foi em ('203.0.113.1', "),
        (hides_every_error, "Nenhum bind foi feito: um except sem nome esconde qualquer erro"),
        (kept, "a porta ficou presa"),
        (forgotten, "faltou fechar o socket"),
        (begins_nothing, "Use def, sem async e sem await"),
        (lambda port: None, "faltou o return"),
        (lambda port: ..., "reticências"),
    ],
)
def test_mistake_about_a_free_port_gets_its_hint(function, hint):
    rejected(checks.port_is_free(function), hint)


# 03.2: gritar


@pytest.mark.parametrize(
    ("changed", "hint"),
    [
        (lambda data: (data.upper(), data)[1], "`upper` não muda `dados`"),
        (lambda data: data.decode().upper().encode(), "`á` deve continuar `á`"),
        (lambda data: data.upper, "faltaram os parênteses"),
        (bytes.swapcase, "O que já era maiúsculo"),
        (lambda data: b"OI", "a resposta é feita dos que chegaram"),
        (lambda data: data + data.upper(), "envie só esses"),
    ],
)
def test_mistake_in_shouting_gets_its_hint(changed, hint):
    def shouts(conn):
        while data := conn.recv(1024):
            conn.sendall(changed(data))

    rejected(checks.server(shouts, answer=bytes.upper), hint)


# 03.3: uma_visita


def echo(conn):
    while data := conn.recv(1024):
        conn.sendall(data)


def visit(s):
    conn, _ = s.accept()
    with conn:
        echo(conn)


def visit_without_with(s):
    conn, _ = s.accept()
    data = conn.recv(4096)
    while data != b"":
        conn.sendall(data)
        data = conn.recv(4096)
    conn.close()


@pytest.mark.parametrize("function", [visit, visit_without_with])
def test_one_visit_is_accepted_in_any_style(function):
    assert checks.one_visit(function).ok


def closes_the_listener(s):
    conn, _ = s.accept()
    with s:
        echo(conn)


def closes_both(s):
    visit(s)
    s.close()


def never_returns(s):
    while True:
        visit(s)


def deaf_to_the_end(s):
    conn, _ = s.accept()
    while True:
        conn.sendall(conn.recv(1024))


def through_the_listener(s):
    s.accept()
    s.recv(1024)


def forgets_to_close(s):
    conn, _ = s.accept()
    echo(conn)


def only_one_answer(s):
    conn, _ = s.accept()
    with conn:
        conn.sendall(conn.recv(1024))


def accepts_in_the_loop(s):
    while True:
        conn, _ = s.accept()
        conn.sendall(conn.recv(1024))


def listens_elsewhere(s):
    with socket.create_server((HERE, 0)) as another:
        visit(another)


def accepts_twice(s):
    s.accept()
    visit(s)


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        (accepts_in_the_loop, "O accept fica fora dele"),
        (accepts_twice, "chame accept uma vez só; depois, recv e sendall em conn"),
        (closes_the_listener, "a escuta já estava fechada"),
        (closes_both, "a escuta já estava fechada"),
        (never_returns, "a função não voltou"),
        (deaf_to_the_end, "a função não voltou"),
        (through_the_listener, "Seu código parou com OSError"),
        (listens_elsewhere, "Você abriu outra escuta: o cliente chamou a que a função recebe"),
        (only_one_answer, "falta um laço (while) que volte ao recv"),
        (forgets_to_close, "faltou fechar a conversa, conn"),
        (lambda s: None, "Nada voltou"),
    ],
)
def test_mistake_in_a_visit_gets_its_hint(function, hint):
    rejected(checks.one_visit(function), hint)


# 03.4: servidor_inteiro


def whole(host, port):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.bind((host, port))
    s.listen()
    conn, _ = s.accept()
    echo(conn)
    conn.close()
    s.close()


def whole_with(host, port):
    with socket.create_server((host, port)) as s:
        s.settimeout(5)
        with s.accept()[0] as conn:
            echo(conn)


def whole_that_insists(host, port, answer=lambda conn, dados: conn.sendall(dados)):
    with socket.create_server((host, port)) as s, s.accept()[0] as conn:
        conn.settimeout(0.2)
        dados = None
        while dados != b"":
            with suppress(TimeoutError):
                dados = conn.recv(4096)
                answer(conn, dados)


def whole_with_a_deadline_and_a_value(host, port):
    s = socket.create_server((host, port))
    s.settimeout(1.5)
    conn, _ = s.accept()
    echo(conn)
    conn.close()
    s.close()
    return s, conn


@pytest.mark.parametrize(
    "function", [whole, whole_with, whole_that_insists, whole_with_a_deadline_and_a_value]
)
def test_whole_server_is_accepted_in_any_style(function):
    assert checks.whole_server(function).ok


def connects_instead(host, port):
    with socket.socket() as s:
        s.connect((host, port))
        s.listen()


def without_listen(host, port):
    with socket.socket() as s:
        s.bind((host, port))
        s.accept()


def without_accept(host, port):
    with socket.socket() as s:
        s.bind((host, port))
        s.listen()


def on_another_port(host, port):
    with socket.create_server((host, 0)) as s:
        s.accept()


def on_every_address(host, port):
    whole("0.0.0.0", port)


def on_the_tutorial(host, port):
    whole("192.0.2.12", port)


def port_as_text(host, port):
    with socket.socket() as s:
        s.bind((host, str(port)))


def swapped(host, port):
    with socket.socket() as s:
        s.bind((port, host))


def listens_before_bind(host, port):
    with socket.socket() as s:
        s.listen()
        s.bind((host, port))


def brings_its_own_client(host, port):
    with socket.create_server((host, port)) as s, socket.socket() as mine:
        mine.connect((host, port))
        conn, _ = s.accept()
        with conn:
            while data := conn.recv(1024):
                conn.sendall(data)


def two_arguments(host, port):
    with socket.socket() as s:
        s.bind(host, port)


def listener_left_open(host, port):
    global left
    left = socket.create_server((host, port))
    with left.accept()[0] as conn:
        echo(conn)


def conversation_left_open(host, port):
    with socket.create_server((host, port)) as s:
        global left
        left, _ = s.accept()
        echo(left)


def forgets_the_parentheses_of_accept(host, port):
    with socket.create_server((host, port)) as s:
        _conn, _ = s.accept


def forgets_the_parentheses_of_socket(host, port):
    s = socket.socket
    s.bind((host, port))


def family_in_the_place_of_type(host, port):
    s = socket.socket(socket.SOCK_STREAM, socket.AF_INET)
    s.bind((host, port))


def answers_by_the_listener(host, port):
    with socket.create_server((host, port)) as s, s.accept()[0] as conn:
        while data := conn.recv(1024):
            s.sendall(data)


def leaves_it_to_a_thread(host, port):
    s = socket.create_server((host, port))
    threading.Thread(target=visit, args=(s,), daemon=True).start()


def deaf_server(host, port):
    with socket.create_server((host, port)) as s:
        conn, _ = s.accept()
        while True:
            conn.sendall(conn.recv(1024))


def takes_a_deadline_for_the_end(host, port, seconds=0.5):
    with socket.create_server((host, port)) as s, s.accept()[0] as conn:
        conn.settimeout(seconds)
        with suppress(TimeoutError):
            echo(conn)


def lets_a_deadline_out(host, port):
    with socket.create_server((host, port)) as s, s.accept()[0] as conn:
        conn.settimeout(0.5)
        echo(conn)


def shouts_with_patience(host, port):
    whole_that_insists(host, port, lambda conn, dados: conn.sendall(dados.upper()))


def sends_with_patience(host, port):
    whole_that_insists(host, port, lambda conn, dados: conn.send(dados))


def does_not_join(host, port):
    gone = threading.Event()

    def attend(conn):
        with conn:
            echo(conn)
            gone.set()
            threading.Event().wait(0.5)

    with socket.create_server((host, port)) as s:
        threading.Thread(target=attend, args=s.accept()[:1], daemon=True).start()
    gone.wait()


def answers_sair_and_stops(host, port):
    with socket.create_server((host, port)) as s, s.accept()[0] as conn:
        while (data := conn.recv(1024)) != b"sair":
            conn.sendall(data)
        conn.sendall(data)
        time.sleep(0.05)  # ainda assim, antes que o cliente saia


def stops_at_sair(host, port):
    with socket.create_server((host, port)) as s, s.accept()[0] as conn:
        while (data := conn.recv(1024)) != b"sair":
            conn.sendall(data)


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        (lambda host, port: None, "voltou sem escutar"),
        (connects_instead, "Quem usa connect é o cliente; o servidor"),
        (without_listen, "Seu código parou com OSError"),
        (without_accept, "esperar o cliente: faltou o accept?"),
        (on_another_port, "Você prendeu o socket em ('127.0.0.1', 0)"),
        (on_every_address, "você escuta em 0.0.0.0"),
        (on_the_tutorial, "Seu código parou com OSError"),
        (lambda host, port: on_the_tutorial(host, port + 1), "A função recebe host e porta"),
        (port_as_text, "a porta como número inteiro"),
        (swapped, "a porta como número inteiro"),
        (two_arguments, "TypeError"),
        (listener_left_open, "faltou fechar a escuta, s"),
        (conversation_left_open, "faltou fechar a conversa, conn"),
        (deaf_server, "a função não voltou"),
        (forgets_the_parentheses_of_accept, "Seu código parou com TypeError"),
        (forgets_the_parentheses_of_socket, "s = socket.socket guarda a classe"),
        pytest.param(
            family_in_the_place_of_type,
            "trocou a ordem, ou pôs outra família",
            marks=pytest.mark.skipif(sys.platform == "win32", reason="lá, é o socket que falha"),
        ),
        (answers_by_the_listener, "a conversa é por conn, que veio do accept"),
        (lambda *at: takes_a_deadline_for_the_end(*at, seconds=30), "calar-se não é sair"),
        (leaves_it_to_a_thread, "escutou e voltou sem esperar o cliente"),
        (does_not_join, "se é uma thread que a fecha, espere por ela, com join"),
        (answers_sair_and_stops, "ainda estava conectado, e a função já tinha voltado"),
        (stops_at_sair, "é um comando do cliente"),
        (takes_a_deadline_for_the_end, "calar-se não é sair"),
        (lets_a_deadline_out, "calar-se não é sair"),
        (shouts_with_patience, "esperava b'oi' e recebi b'OI'"),
        (sends_with_patience, "sendall envia todos"),
        (listens_before_bind, "bind depois de listen"),
        (brings_its_own_client, "O seu servidor conectou a si mesmo: tire o connect"),
    ],
)
def test_mistake_in_a_whole_server_gets_its_hint(function, hint):
    rejected(checks.whole_server(function), hint)


# 04.2: medir


def test_counting_bytes():
    assert checks.counts_bytes(lambda text: len(text.encode())).ok
    assert checks.counts_bytes(lambda text: len(bytes(text, "utf-8"))).ok
    rejected(checks.counts_bytes(len), "Você contou letras, não bytes")
    rejected(checks.counts_bytes(lambda text: text.encode()), "quantos são?")
    rejected(checks.counts_bytes(lambda text: print(len(text))), "Faltou o return")
    rejected(checks.counts_bytes(lambda text: len(text.encode("latin-1"))), "UnicodeEncodeError")


# 04.3: enviar_lista


def send_one(s, text):
    s.sendall(text.encode())
    data = b""
    while len(data) < len(text.encode()) and (piece := s.recv(1024)):
        data += piece
    return data.decode()


def list_by_socket(host, port, messages):
    with socket.create_connection((host, port), timeout=1) as s:
        return [send_one(s, text) for text in messages]


def list_by_library(host, port, messages):
    with EchoClient(host, port) as client:
        return [client.send(text) if text else "" for text in messages]


@pytest.mark.parametrize("function", [list_by_socket, list_by_library])
def test_list_is_accepted_in_any_style(function):
    check = checks.sends_a_list(function)
    assert check.ok and "fechar" not in check.text


def list_left_open(host, port, messages):
    if not messages:
        return []
    s = socket.create_connection((host, port), timeout=1)
    return [send_one(s, text) for text in messages]


def test_client_that_leaves_its_socket_open_passes_and_is_told():
    def talk(host, port, text):
        if (echo := list_left_open(host, port, [text])[0]) != text:
            raise ConnectionError
        return echo

    for check in (checks.client(talk), checks.sends_a_list(list_left_open)):
        assert check.ok and "Só o socket ficou por fechar" in check.text, check


def list_all_at_once(host, port, messages):
    with socket.create_connection((host, port), timeout=1) as s:
        s.sendall("".join(messages).encode())
        s.shutdown(socket.SHUT_WR)
        data = b"".join(iter(lambda: s.recv(1024), b""))
    echoes = []
    for text in messages:
        size = len(text.encode())
        echoes.append(data[:size].decode())
        data = data[size:]
    return echoes


def looks_up_the_place(host, port, messages):
    echoes = [""] * len(messages)
    with socket.create_connection((host, port), timeout=1) as s:
        for text in messages:
            echoes[messages.index(text)] = send_one(s, text)
    return echoes


def one_connection_each(host, port, messages):
    return [list_by_socket(host, port, [text])[0] for text in messages]


def waits_for_the_empty(host, port, messages):
    with socket.create_connection((host, port), timeout=1) as s:
        echoes = []
        for text in messages:
            s.sendall(text.encode())
            data = s.recv(1024)
            while len(data) < len(text.encode()):
                data += s.recv(1024)
            echoes.append(data.decode())
        return echoes


def skips_the_empty(host, port, messages):
    return list_by_socket(host, port, [text for text in messages if text])


def one_recv_each(host, port, messages):
    with socket.create_connection((host, port), timeout=1) as s:
        echoes = []
        for text in messages:
            s.sendall(text.encode())
            echoes.append(s.recv(1024).decode() if text else "")
        return echoes


def sends_all_first(host, port, messages):
    with socket.create_connection((host, port), timeout=1) as s:
        for text in messages:
            s.sendall(text.encode())
        s.shutdown(socket.SHUT_WR)
        data = b"".join(iter(lambda: s.recv(1024), b"")).decode()
        return [data, *("" for _ in messages[1:])]


def returns_inside_the_loop(host, port, messages):
    for text in messages:
        return list_by_socket(host, port, [text])


def decodes_each_piece(host, port, messages):
    with socket.create_connection((host, port), timeout=1) as s:
        echoes = []
        for text in messages:
            s.sendall(text.encode())
            echo = ""
            while len(echo) < len(text):
                echo += s.recv(1024).decode()
            echoes.append(echo)
        return echoes


def in_another_order(host, port, messages):
    return list_by_socket(host, port, messages)[::-1]


def strips_each(host, port, messages):
    return [echo.strip() for echo in list_by_socket(host, port, messages)]


def appends_the_piece(host, port, messages):
    echoes, piece = [], b""
    with socket.create_connection((host, port), timeout=1) as s:
        for text in messages:
            s.sendall(text.encode())
            piece = s.recv(1024) if text else piece
            echoes.append(piece.decode())
    return echoes


def test_client_that_goes_to_another_server_of_the_notebook_is_told_so():
    with EchoServer(port=0) as other:
        place = other.address

        def talk(host, port, message):
            with EchoClient(*place) as client:
                return client.send(message)

        rejected(checks.client(talk), "use host e porta")
        rejected(checks.client(talk), f"Você conectou em {place}")


def answers_bytes(host, port, messages):
    return [text.encode() for text in list_by_socket(host, port, messages)]


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        (one_connection_each, "vi 2 conexões: use uma só"),
        (list_all_at_once, "você enviou um texto antes de receber inteiro o eco do anterior"),
        (looks_up_the_place, "Cada texto tem o seu eco, também o que se repete"),
        (waits_for_the_empty, "não espere o eco dela"),
        (skips_the_empty, "Recebi ['oi', 'fim']. Uma mensagem vazia"),
        (one_recv_each, "Um recv traz só o que já chegou"),
        (decodes_each_piece, "UnicodeDecodeError"),
        (sends_all_first, "Os ecos vieram colados"),
        (returns_inside_the_loop, "o return está dentro do laço?"),
        (answers_bytes, "Recebi [b'oi', b'tchau']. São bytes"),
        (in_another_order, "São esses, em outra ordem"),
        (strips_each, "Os espaços são da mensagem: tire o strip"),
        (appends_the_piece, "Uma mensagem vazia não tem bytes"),
        (lambda host, port, messages: None, "Recebi None. Faltou o return?"),
        (lambda host, port, messages: messages, "ao servidor chegou b''"),
    ],
)
def test_mistake_with_a_list_gets_its_hint(function, hint):
    rejected(checks.sends_a_list(function), hint)


# 05.1: atender_com_limite


def patient(conn):
    conn.settimeout(0.3)
    with suppress(TimeoutError):
        echo(conn)


def test_who_gives_up_before_the_first_word_is_not_told_of_an_answer(monkeypatch):
    exchange = peers.exchange

    def late(peer, data):
        select.select([peer], [], [], isolated.TIMEOUT)  # até que o servidor feche
        return exchange(peer, data)

    monkeypatch.setattr(peers, "exchange", late)
    rejected(checks.gives_up(impatient, seconds=0.3), "Você desistiu cedo demais")


@pytest.fixture
def late_exchange(monkeypatch, which):
    """Faz a verificação atrasar-se uma vez, até que o servidor do aluno desista."""
    exchange, calls = peers.exchange, []

    def late(peer, data, *rest):
        calls.append(data)
        if len(calls) == which:
            select.select([peer], [], [], isolated.TIMEOUT)  # até que o servidor feche
        return exchange(peer, data, *rest)

    monkeypatch.setattr(peers, "exchange", late)


@pytest.mark.parametrize("which", [2, 3])
def test_who_gives_up_because_we_were_late_was_not_early(late_exchange):
    check = checks.gives_up(patient, seconds=0.3)
    assert check.ok, check


@pytest.mark.parametrize("which", [1, 2, 3])
def test_who_warns_us_because_we_were_late_is_quoted_in_full(late_exchange):
    check = checks.gives_up(warns_the_silent, seconds=0.3)
    rejected(check, "recebeu b'tempo esgotado', que não tinha enviado")


def test_giving_up_is_not_enough_without_the_echo():
    assert checks.gives_up(patient, seconds=0.3).ok
    rejected(checks.gives_up(lambda conn: None, seconds=0.3), "Nada voltou")


def patient_once(conn):
    conn.settimeout(0.3)
    with suppress(TimeoutError):
        conn.sendall(conn.recv(1024))


def patient_with_error(conn):
    conn.settimeout(0.3)
    echo(conn)


def patient_in_all(conn):
    end = time.monotonic() + 0.3
    with suppress(TimeoutError):
        while True:
            conn.settimeout(max(0.001, end - time.monotonic()))
            conn.sendall(conn.recv(1024))


def patient_after_the_first(conn):
    with suppress(TimeoutError):
        while data := conn.recv(1024):
            conn.sendall(data)
            conn.settimeout(0.3)


def impatient(conn):
    conn.settimeout(0.01)
    with suppress(TimeoutError):
        echo(conn)


def repeats_the_first(conn):
    conn.settimeout(0.3)
    data = conn.recv(1024)
    with suppress(TimeoutError):
        while data:
            conn.sendall(data)


def answers_at_the_deadline(conn):
    conn.settimeout(0.3)
    data = b""
    with suppress(TimeoutError):
        while piece := conn.recv(1024):
            data += piece
    conn.sendall(data)


def answers_only_the_first(conn):
    conn.settimeout(0.3)
    conn.sendall(conn.recv(1024))
    with suppress(TimeoutError):
        while conn.recv(1024):
            pass


async def gives_up_later(conn):
    patient(conn)


def does_not_wait(conn):
    conn.settimeout(0)
    with suppress(OSError):
        echo(conn)


def warns_the_silent(conn):
    patient(conn)
    conn.sendall(b"tempo esgotado")


def too_patient(conn):
    conn.settimeout(0.6)
    with suppress(TimeoutError):
        echo(conn)


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        (too_patient, "O seu prazo é de 0,6 s; o pedido, 0,3 s"),
        (patient_once, "respondeu uma vez e voltou: falta o laço"),
        (warns_the_silent, "recebeu b'tempo esgotado', que não tinha enviado"),
        (patient_with_error, "O prazo acabou, como devia: falta capturar o TimeoutError"),
        (patient_in_all, "o prazo recomeça a cada recv"),
        (impatient, "desistiu cedo demais: o cliente pode calar-se por 0,3 s"),
        (repeats_the_first, "A mesma mensagem voltou mais de uma vez"),
        (answers_at_the_deadline, "Você só respondeu quando o prazo acabou"),
        (answers_only_the_first, "voltou a esperar sem responder"),
        (lambda conn: conn.recv(1024, 1), "opções (flags), e não um prazo"),
        (lambda conn: conn.settimeout(), "o prazo não foi dado como o socket o espera"),
        (lambda conn: conn.settimeout(timeout=1), "o prazo não foi dado como o socket o espera"),
        (does_not_wait, "dê-lhe um prazo maior que 0"),
        (1, "guarda outra coisa: escreva-a com def"),
        (patient_after_the_first, "Um cliente que nunca falou: você continuou esperando"),
    ],
)
def test_mistake_in_giving_up_gets_its_hint(function, hint):
    rejected(checks.gives_up(function, seconds=0.3), hint)


# 05.3: atender_varios


def several(s, n):
    for _ in range(n):
        with suppress(ConnectionError):
            visit(s)


def several_counting(s, n):
    while n:
        conn, _ = s.accept()
        n -= 1
        try:
            while True:
                data = conn.recv(1024)
                if not data:
                    break
                conn.sendall(data)
        except OSError as error:
            print("caiu:", error)
        finally:
            conn.close()


def several_at_once(s, n):
    def careful(conn):
        with conn, suppress(ConnectionError):
            echo(conn)

    threads = [threading.Thread(target=careful, args=(s.accept()[0],)) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def several_threads(s, n):
    def careful(conn):
        with conn, suppress(ConnectionError):
            echo(conn)

    threads = []
    for _ in range(n):
        threads.append(threading.Thread(target=careful, args=(s.accept()[0],)))
        threads[-1].start()
    for thread in threads:
        thread.join()


def several_with_a_deadline(s, n):
    s.settimeout(0.5)
    while n:
        with suppress(TimeoutError):
            conn, _ = s.accept()
            n -= 1
            with conn, suppress(ConnectionError):
                echo(conn)


def waits_again_after_a_long_silence(s, n):
    for _ in range(n):
        conn, _ = s.accept()
        conn.settimeout(5)
        with conn, suppress(ConnectionError):
            while True:
                with suppress(TimeoutError):
                    echo(conn)
                    break


@pytest.mark.parametrize(
    "function",
    [
        several,
        several_counting,
        several_threads,
        several_with_a_deadline,
        waits_again_after_a_long_silence,
    ],
)
def test_one_after_another_is_accepted_in_any_style(function):
    assert checks.one_after_another(function).ok


def fragile(s, n):
    for _ in range(n):
        visit(s)


def gives_up_at_the_fall(s, n):
    with suppress(ConnectionError):
        fragile(s, n)


def does_not_count_the_fall(s, n):
    while n:
        try:
            visit(s)
            n -= 1
        except ConnectionError:
            pass


def endless(s, n):
    while True:
        several(s, n)


def counts_the_deadline_of_accept(s, n):
    s.settimeout(0.2)
    for _ in range(n):
        with suppress(TimeoutError, ConnectionError):
            visit(s)


def threads_nobody_waits_for(s, n):
    def careful(conn):
        with conn, suppress(ConnectionError):
            echo(conn)

    for _ in range(n):
        threading.Thread(target=careful, args=(s.accept()[0],)).start()


def drops_the_silent(s, n):
    for _ in range(n):
        conn, _ = s.accept()
        conn.settimeout(0.6)
        with conn, suppress(OSError):
            echo(conn)


def loses_with_send(s, n):
    for _ in range(n):
        conn, _ = s.accept()
        with conn, suppress(ConnectionError):
            while data := conn.recv(1024):
                conn.send(data)


def closes_at_the_end(s, n):
    talks = []
    for _ in range(n):
        conn, _ = s.accept()
        talks.append(conn)
        with suppress(ConnectionError):
            echo(conn)
    for conn in talks:
        conn.close()


def always_four(s, n):
    several(s, 4)


def one_answer_each(s, n):
    for _ in range(n):
        conn, _ = s.accept()
        with conn:
            conn.sendall(conn.recv(1024))


def drops_who_is_silent_for_long(s, n):
    for _ in range(n):
        conn, _ = s.accept()
        with conn, suppress(ConnectionError, TimeoutError):
            conn.settimeout(5)
            echo(conn)


def has_a_default_deadline(s, n):
    socket.setdefaulttimeout(5)
    for _ in range(n):
        conn, _ = s.accept()
        with conn, suppress(ConnectionError, TimeoutError):
            echo(conn)


def closes_before_answering(s, n):
    for _ in range(n):
        conn, _ = s.accept()
        with conn:
            data = conn.recv(1024)
        conn.sendall(data)


def closes_the_listener(s, n):
    for _ in range(n):
        with s:
            echo(s.accept()[0])


def accepts_once(s, n):
    conn, _ = s.accept()
    for _ in range(n):
        with conn, suppress(ConnectionError):
            echo(conn)


def stuck_with_the_first(s, n):
    for _ in range(n):
        conn, _ = s.accept()
        while True:
            conn.sendall(conn.recv(1024))


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        (lambda s, n: visit(s), "A função voltou depois de atender 1, e n era 4"),
        (always_four, "a função não voltou: ela conta até n, que desta vez é 2?"),
        (closes_at_the_end, "feche cada conversa quando ela acaba, antes de atender outra"),
        (loses_with_send, "sendall envia todos"),
        (one_answer_each, "O cliente 1 não recebeu o eco"),
        (fragile, "Quem caiu foi um cliente só"),
        (gives_up_at_the_fall, "A função voltou depois de atender 2"),
        (does_not_count_the_fall, "a função não voltou: ela conta até n, que desta vez é 4?"),
        (endless, "a função não voltou: ela conta até n, que desta vez é 4?"),
        (counts_the_deadline_of_accept, "o prazo do accept que acaba não é um cliente"),
        (threads_nobody_waits_for, "ainda estava conectado, e a função já tinha voltado"),
        (drops_the_silent, "calou-se por 1,3 s, falou, e não teve eco"),
        (drops_who_is_silent_for_long, "Um prazo que acaba, por longo que seja"),
        (closes_the_listener, "a escuta fica aberta até o fim; no laço, feche só conn"),
        (accepts_once, "Cada cliente pede o seu accept: ele vai dentro do for"),
        (closes_before_answering, "use-o antes do close (num with, dentro do bloco)"),
        (has_a_default_deadline, "Um prazo que acaba, por longo que seja"),
        (stuck_with_the_first, "Quem volta ao accept?"),
        (several_at_once, "atenda cada um antes de voltar ao accept"),
        (lambda s, n: None, "A função voltou depois de atender 0"),
    ],
)
def test_mistake_with_several_clients_gets_its_hint(function, hint):
    rejected(checks.one_after_another(function), hint)


def test_client_with_a_deadline_that_receives_before_sending_is_told_the_order():
    def receives_first(host, port, message):
        with socket.create_connection((host, port), timeout=0.2) as s:
            data = s.recv(1024)
            s.sendall(message.encode())
        return data.decode()

    check = checks.client(receives_first)
    rejected(check, "Você espera a resposta antes de enviar?")
    assert "do outro lado" not in check.text


def test_an_error_after_a_rightful_accept_says_nothing_of_accept():
    def forgets_a_name(listener):
        conn, _ = listener.accept()
        with conn:
            conn.sendall(dados)  # noqa: F821

    check = checks.one_visit(forgets_a_name)
    rejected(check, "NameError")
    assert "aqui não há accept" not in check.text


# 07.3: qual_endereco


def by_ipaddress(mine, colleague):
    for address, mask in mine:
        if ipaddress.ip_address(colleague) in ipaddress.ip_network(f"{address}/{mask}", False):
            return address
    return None


def by_interface(mine, colleague):
    found = [a for a, m in mine if ipaddress.ip_interface(f"{a}/{m}").network
             == ipaddress.ip_interface(f"{colleague}/{m}").network]  # fmt: skip
    return found[0] if found else None


@pytest.mark.parametrize("function", [by_ipaddress, by_interface])
def test_address_for_a_colleague_is_accepted_in_any_style(function):
    assert checks.which_address(function).ok


def only_the_first(mine, colleague):
    return by_ipaddress(mine[:1], colleague)


def by_look(mine, colleague):
    same = [a for a, _ in mine if a.split(".")[:3] == colleague.split(".")[:3]]
    return same[0] if same else None


def the_pair(mine, colleague):
    return next((pair for pair in mine if pair[0] == by_ipaddress(mine, colleague)), None)


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        (lambda mine, colleague: mine[0][0], "Esse não está na sub-rede dele"),
        (by_look, "esperava '10.0.0.5'. Recebi None"),
        (the_pair, "Devolva só o endereço, sem a máscara"),
        (lambda mine, colleague: by_ipaddress(mine, colleague) or "", "a resposta é None"),
        (lambda mine, colleague: None, "Depois dela, há um return?"),
        (only_the_first, "O return None só vem depois do laço"),
        (lambda mine, colleague: colleague, "Esse é o do colega"),
        (lambda mine, colleague: [by_ipaddress(mine, colleague)], "fora de uma lista"),
        (lambda mine, colleague: ipaddress.ip_address(by_ipaddress(mine, colleague)), "o texto"),
    ],
)
def test_mistake_about_the_address_gets_its_hint(function, hint):
    rejected(checks.which_address(function), hint)


def test_client_that_sends_again_without_end_is_told_so(monkeypatch):
    def again_and_again(host, port, text):
        with socket.create_connection((host, port)) as s:
            while True:
                s.sendall(text.encode())
                s.recv(1024)
                time.sleep(0.05)

    monkeypatch.setattr(isolated, "TIMEOUT", 1.0)
    rejected(checks.client(again_and_again), "Você enviou de novo: o laço não acaba")
