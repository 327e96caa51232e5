"""As verificações da lição 10: cada engano tem a sua pista; o certo passa, como for."""

import errno
import socket
import sys
import time
from contextlib import suppress

import cloudpickle
import pytest

from echo_lib import checks, isolated
from echo_lib.checks import failures

# As funções daqui vão inteiras ao outro processo, como as de um notebook.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture(autouse=True)
def short_wait(monkeypatch):
    monkeypatch.setattr(isolated, "TIMEOUT", 2.0)
    monkeypatch.setattr(failures, "_PATIENCE", 2.5)
    if sys.platform != "win32":
        monkeypatch.setattr(failures, "_GIVING_UP", 2.0)


def wrong(check, hint):
    assert not check.ok and hint in check.text, check.text


# 10.1: um prazo


def ask(timeout=None, later=None):
    def function(host, port):
        with socket.create_connection((host, port), timeout) as s:
            if later:
                s.settimeout(later)
            s.sendall(b"oi")
            return s.recv(1024)

    return function


def swallow(host, port):
    try:
        return ask(1)(host, port)
    except TimeoutError:
        return b""


def waits_in_slices(host, port):
    with socket.create_connection((host, port)) as s:
        s.settimeout(0.1)
        s.sendall(b"oi")
        limit = time.monotonic() + 1
        while True:
            try:
                return s.recv(1024)
            except TimeoutError:
                if time.monotonic() > limit:
                    raise


@pytest.mark.parametrize("answer", [ask(1), ask(later=1), ask(5, later=0.9), waits_in_slices])
def test_deadline_is_accepted_in_any_style(answer):
    assert checks.has_deadline(answer).ok


def with_a_flag(host, port):
    with socket.create_connection((host, port)) as s:
        s.sendall(b"oi")
        return s.recv(1024, 1)


def throws_the_answer_away(host, port):
    ask(1)(host, port)
    return b"oi"


def deadline_in_the_pair(host, port):
    with socket.create_connection((host, port, 1)) as s:
        return s.recv(1024)


def deadline_for_the_next_socket(host, port):
    with socket.create_connection((host, port)) as s:
        socket.setdefaulttimeout(1)
        s.sendall(b"oi")
        return s.recv(1024)


def sends_nothing(host, port):
    with socket.create_connection((host, port), 0.5) as s:
        return s.recv(1024)


def waits_two_deadlines(host, port):
    with socket.create_connection((host, port), 1) as s:
        s.sendall(b"oi")
        try:
            return s.recv(1024)
        except TimeoutError:
            return s.recv(1024)


def insists_at_the_deadline(host, port):
    with socket.create_connection((host, port), 1) as s:
        s.sendall(b"oi")
        while True:
            with suppress(TimeoutError):
                return s.recv(1024)


def throws_another(host, port):
    try:
        return ask(1)(host, port)
    except TimeoutError:
        raise ConnectionError("calado") from None


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (waits_two_deadlines, "Você esperou 2 prazos, um depois do outro"),
        (insists_at_the_deadline, "O prazo acabou, e você voltou a esperar"),
        (lambda host, port: ask(1)(host, port).decode(), "devolva o que o recv trouxe, sem decode"),
        (ask(), "Em 2,5 s você não desistiu"),
        (deadline_for_the_next_socket, "Em 2,5 s você não desistiu"),
        (ask(30), "ou com um longo demais"),
        (ask(0.05), "o prazo pedido é de um segundo"),
        (swallow, "a função devolveu b'': deixe o erro sair"),
        (lambda host, port: b"oi", "a função devolveu b'oi'"),
        (with_a_flag, "O prazo não vai no recv"),
        (throws_the_answer_away, "Um servidor respondeu b'OI' a b'oi', e você devolveu b'oi'"),
        (deadline_in_the_pair, "O prazo vai depois do par"),
        (sends_nothing, "o sendall continua ali?"),
        (lambda host, port: ask(1)(host, 1), "A função recebe host e porta"),
        (lambda host, port: None, "Com um servidor que responde, esperava b'oi'. Recebi None"),
        (throws_another, "Esperava TimeoutError: deixe sair o que vem do recv"),
    ],
)
def test_mistake_about_a_deadline_gets_its_hint(answer, hint):
    wrong(checks.has_deadline(answer), hint)


# 10.2: a causa


def by_type(error):
    if isinstance(error, ConnectionRefusedError):
        return "recusada"
    if isinstance(error, TimeoutError):
        return "prazo"
    if isinstance(error, (ConnectionResetError, BrokenPipeError, ConnectionAbortedError)):
        return "reset"
    if isinstance(error, socket.gaierror):
        return "nome"
    if getattr(error, "errno", None) == errno.EADDRINUSE:
        return "em uso"
    return "outra"


def by_match(error):
    match error:
        case ConnectionRefusedError():
            return "recusada"
        case socket.timeout():
            return "prazo"
        case ConnectionError():
            return "reset"
        case socket.gaierror():
            return "nome"
        case OSError(errno=errno.EADDRINUSE):
            return "em uso"
    return "outra"


def by_number(error):
    names = {"ECONNREFUSED": "recusada", "ETIMEDOUT": "prazo", "ECONNRESET": "reset"}
    names |= {"EPIPE": "reset", "EADDRINUSE": "em uso"}
    if isinstance(error, socket.gaierror):
        return "nome"
    if str(error) == "timed out":
        return "prazo"
    return names.get(errno.errorcode.get(getattr(error, "errno", 0)), "outra")


def by_text(error):
    text = str(error)
    words = {"refused": "recusada", "timed": "prazo", "reset": "reset", "Broken": "reset"}
    words |= {"not known": "nome", "already in use": "em uso"}
    return next((cause for word, cause in words.items() if word in text), "outra")


def in_use_by_text(error):
    cause = by_type(error)
    return "outra" if cause == "em uso" and "already in use" not in str(error) else cause


def name_by_text(error):
    cause = by_type(error)
    return "outra" if cause == "nome" and "not known" not in str(error) else cause


def name_by_code(error):
    cause = by_type(error)
    return "outra" if cause == "nome" and error.errno != socket.EAI_NONAME else cause


def only_codes(error):
    if isinstance(error, TimeoutError) and error.errno == errno.ETIMEDOUT:
        return "prazo"
    return "outra" if isinstance(error, TimeoutError) else by_type(error)


def family_first(error):
    return "reset" if isinstance(error, ConnectionError) else by_type(error)


def any_oserror_is_in_use(error):
    cause = by_type(error)
    return "em uso" if cause == "outra" and isinstance(error, OSError) else cause


def the_last_else_wins(error):
    if isinstance(error, ConnectionRefusedError):
        answer = "recusada"
    answer = "prazo" if isinstance(error, TimeoutError) else "outra"
    return answer


def no_name(error):
    return "outra" if isinstance(error, socket.gaierror) else by_type(error)


def forget_aborted(error):
    return "outra" if isinstance(error, ConnectionAbortedError) else by_type(error)


def number_of_this_system(error):
    return "em uso" if getattr(error, "errno", 0) == 98 else by_type(error)


def numbers_of_every_system(error):
    code = getattr(error, "errno", 0)
    return "em uso" if code == 98 or code == 48 or code == 10048 else by_type(error)


def one_number_too(error):
    used = isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, 10048)
    return "em uso" if used or getattr(error, "errno", 0) == 98 else by_type(error)


def in_capitals(error):
    return by_type(error).capitalize()


class ExitOfANotebook:
    """O exit do IPython não passa a outro processo: guarda o próprio kernel."""

    def __reduce__(self):
        raise TypeError("cannot pickle")


def with_underscores(error):
    return by_type(error).replace(" ", "_")


def asks_the_family_first(error):
    return "outra" if isinstance(error, OSError) else by_type(error)


def every_error_has_errno(error):
    return "em uso" if error.errno == errno.EADDRINUSE else by_type(error)


@pytest.mark.parametrize("answer", [by_type, by_match, numbers_of_every_system, one_number_too])
def test_cause_is_accepted_in_any_style(answer):
    assert checks.cause(answer).ok, checks.cause(answer)


def test_exit_inside_a_function_is_told_what_to_use_instead():
    space = {"exit": ExitOfANotebook()}
    exec("def answer(error):\n    exit()", space)
    assert "Para sair da função, use return" in checks.cause(space["answer"]).text


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda error: None, "Faltou o return"),
        (by_number, "O código e a mensagem mudam de um sistema para outro"),
        (by_text, "O código e a mensagem mudam de um sistema para outro"),
        (in_use_by_text, "compare erro.errno com errno.EADDRINUSE"),
        (name_by_text, "o tipo, não"),
        (name_by_code, "o tipo, não"),
        (only_codes, "O prazo do settimeout não tem código"),
        (family_first, "pergunte antes pelo tipo mais particular"),
        (any_oserror_is_in_use, "Nem todo OSError é destes"),
        (no_name, "socket.gaierror também é um OSError"),
        (forget_aborted, "No Windows, é assim que chega o cano quebrado"),
        (number_of_this_system, "98 só é o código de “em uso” num dos sistemas"),
        (in_capitals, "escreva-a como no enunciado, 'recusada'"),
        (with_underscores, "escreva-a como no enunciado, 'em uso'"),
        (lambda error: by_type(error).replace("recusada", "recusado"), "enunciado, 'recusada'"),
        (lambda error: "outro", "um except não o vê"),
        (asks_the_family_first, "quase todos são OSError, que fica por último"),
        (lambda error: "outra", "um except não o vê"),
        (the_last_else_wins, "Um else é só do último if: entre eles, elif"),
        (every_error_has_errno, "Nem toda exceção tem .errno"),
    ],
)
def test_mistake_about_a_cause_gets_its_hint(answer, hint):
    wrong(checks.cause(answer), hint)


# 10.3: a paciência


def patient(host, port, attempts, timeout, pause=0.1, retry=ConnectionRefusedError):
    while True:
        attempts -= 1
        try:
            return socket.create_connection((host, port), timeout)
        except retry:
            if not attempts:
                raise
            time.sleep(pause)


def connects_to_another_port(host, port, attempts, timeout):
    return patient(host, 1, attempts, timeout)


def waits_before_the_first(host, port, attempts, timeout):
    time.sleep(0.2)
    return patient(host, port, attempts, timeout)


def patient_with_its_own_socket(host, port, attempts, timeout):
    for left in reversed(range(attempts)):
        s = socket.socket()
        s.settimeout(timeout)
        try:
            s.connect((host, port))
        except OSError as error:
            s.close()
            if not isinstance(error, ConnectionRefusedError) or not left:
                raise
            time.sleep(0.2)
        else:
            return s


def patient_by_the_code(host, port, attempts, timeout):
    for left in reversed(range(attempts)):
        s = socket.socket()
        s.settimeout(timeout)
        if not (code := s.connect_ex((host, port))):
            return s
        s.close()
        if code != errno.ECONNREFUSED or not left:
            raise OSError(code, "não conectei")
        time.sleep(0.2)


def patient_by_recursion(host, port, attempts, timeout):
    try:
        return socket.create_connection((host, port), timeout=timeout)
    except ConnectionRefusedError:
        if attempts == 1:
            raise
    time.sleep(0.1)
    return patient_by_recursion(host, port, attempts - 1, timeout)


def patient_by_recursion_without_return(host, port, attempts, timeout):
    try:
        return socket.create_connection((host, port), timeout=timeout)
    except ConnectionRefusedError:
        if attempts == 1:
            raise
    time.sleep(0.2)
    patient_by_recursion_without_return(host, port, attempts - 1, timeout)


def deadline_after_the_connect(host, port, attempts, timeout):
    conn = patient(host, port, attempts, None)
    conn.settimeout(timeout)
    return conn


def gives_nothing_at_the_end(host, port, attempts, timeout):
    for _ in range(attempts):
        try:
            return socket.create_connection((host, port), timeout)
        except ConnectionRefusedError:
            time.sleep(0.1)


def refused_or_late():
    return ConnectionRefusedError, TimeoutError


def connects_to_the_end(host, port, attempts, timeout):
    for _ in range(attempts):
        with suppress(ConnectionRefusedError):
            s = socket.create_connection((host, port), timeout)
    return s


def the_same_socket_again(host, port, attempts, timeout):
    s = socket.socket()
    s.settimeout(timeout)
    for _ in range(attempts):
        try:
            s.connect((host, port))
            return s
        except ConnectionRefusedError:
            time.sleep(0.2)
    raise ConnectionRefusedError


def never_gives_up(host, port, attempts, timeout):
    return patient(host, port, -1, timeout)


def decimal_comma(host, port, attempts, timeout):
    for _ in range(attempts):
        try:
            return socket.create_connection((host, port), timeout)
        except ConnectionRefusedError:
            time.sleep(0, 2)


def one_too_many(host, port, attempts, timeout):
    return patient(host, port, attempts + 1, timeout)


def no_timeout(host, port, attempts, timeout):
    return patient(host, port, attempts, None)


def another_error(host, port, attempts, timeout):
    try:
        return patient(host, port, attempts, timeout)
    except ConnectionRefusedError:
        raise RuntimeError("desisti") from None


@pytest.mark.parametrize(
    "answer",
    [patient, patient_with_its_own_socket, patient_by_recursion, patient_by_the_code],
    ids=lambda f: f.__name__,
)
def test_patience_is_accepted_in_any_style(answer):
    check = checks.patient_connect(answer)
    assert check.ok, check


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda h, p, a, t: socket.create_connection((h, p), t), "Você só tentou uma vez"),
        (lambda h, p, a, t: patient(h, p, a, t, pause=0), "espere um pouco entre uma e outra"),
        (lambda h, p, a, t: patient(h, p, a, t, pause=2), " s: são 0,2 s"),
        (lambda h, p, a, t: patient(h, p, a, t, retry=OSError), "Este erro, não"),
        (lambda h, p, a, t: None, "Veio None, e não uma conexão (faltou o return?)"),
        (no_timeout, "a conexão não tem nenhum: falta usar prazo"),
        (connects_to_another_port, "parou com ConnectionRefusedError"),
        (waits_before_the_first, "só uma recusa pede espera"),
        (lambda h, p, a, t: patient(h, p, a, t / 3), "o da conexão é 1,7 s"),
        (lambda h, p, a, t: patient(h, p, a, t, retry=TimeoutError), "capture-o, e tente de novo"),
        (lambda h, p, a, t: patient(h, p, a, t, retry=refused_or_late()), "só a recusa se repete"),
        (patient_by_recursion_without_return, "ª conectou, e veio None: faltou o return?"),
        (deadline_after_the_connect, "timeout=prazo, ou settimeout antes do connect"),
        (connects_to_the_end, "você conectou 3 vezes: falta um return?"),
        (the_same_socket_again, "crie um novo a cada tentativa"),
        (gives_nothing_at_the_end, "No fim, deixe o erro sair"),
        (lambda h, p, a, t: patient(h, p, a, t, pause=t), "são 0,2 s"),
        (decimal_comma, "TypeError: time.sleep() takes exactly one argument (2 given)"),
        (never_gives_up, "você continuou tentando"),
        (one_too_many, "pedi 2 tentativas, e vi 3"),
        (another_error, "esperava ConnectionRefusedError"),
    ],
)
def test_mistake_about_patience_gets_its_hint(answer, hint):
    wrong(checks.patient_connect(answer), hint)


def test_who_errs_in_a_later_case_is_not_told_of_the_else():
    def by_if(error):
        if isinstance(error, ConnectionAbortedError):
            return "outra"
        return by_type(error)

    check = checks.cause(by_if)
    wrong(check, "No Windows, é assim que chega o cano quebrado")
    assert "else" not in check.text


def test_last_attempt_that_connects_has_only_one_hint():
    check = checks.patient_connect(patient_by_recursion_without_return)
    assert "use o parâmetro tentativas" not in check.text and check.text.count("return") == 1


def test_long_pause_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(isolated, "TIMEOUT", 6.0)
    start = time.monotonic()
    wrong(
        checks.patient_connect(lambda h, p, a, t: patient(h, p, a, t, pause=200)),
        "são 0,2 s (time.sleep conta segundos)",
    )
    assert time.monotonic() - start < 2 * isolated.TIMEOUT


# 10.4: o servidor que sobrevive


def survivor(conn):
    total = 0
    conn.settimeout(1)
    try:
        while data := conn.recv(1024):
            conn.sendall(data)
            total += len(data)
    except (TimeoutError, ConnectionError):
        pass
    return total


def survivor_with_select(conn):
    import select

    total = 0
    while select.select([conn], [], [], 1.0)[0]:
        try:
            if not (data := conn.recv(65536)):
                break
            conn.settimeout(1)
            conn.sendall(data)
        except OSError:
            break
        total += len(data)
    return total


def catching(*errors, timeout=1.0):
    def serve(conn):
        total = 0
        conn.settimeout(timeout)
        try:
            while data := conn.recv(1024):
                conn.sendall(data)
                total += len(data)
        except errors:
            pass
        return total

    return serve


def one_or_another(conn):
    total = 0
    conn.settimeout(1)
    try:
        while data := conn.recv(1024):
            conn.sendall(data)
            total += len(data)
    except TimeoutError or ConnectionError:  # noqa: B030
        pass
    return total


def counting(add):
    def serve(conn):
        total = 0
        conn.settimeout(1)
        with suppress(OSError):
            while data := conn.recv(1024):
                conn.sendall(data)
                total = add(total, data)
        return total

    return serve


def count_before_sendall(conn):
    total = 0
    conn.settimeout(1)
    with suppress(OSError):
        while data := conn.recv(1024):
            total += len(data)
            conn.sendall(data)
    return total


def counts_each_piece_after_sending_it_by_parts(conn):
    total = 0
    conn.settimeout(1)
    with suppress(OSError):
        while rest := (data := conn.recv(65536)):
            while rest:
                rest = rest[conn.send(rest) :]
            total += len(data)
    return total


def guard_only_recv(conn):
    total = 0
    conn.settimeout(1)
    while True:
        try:
            data = conn.recv(1024)
        except OSError:
            return total
        if not data:
            return total
        conn.sendall(data)
        total += len(data)


def count_messages(conn):
    survivor(conn)
    return 3


def patient_after_the_first(conn):
    total = 0
    with suppress(OSError):
        while data := conn.recv(1024):
            conn.sendall(data)
            total += len(data)
            conn.settimeout(1)
    return total


def back_to_recv_after_the_deadline(conn):
    conn.settimeout(1)
    data, total = b"oi", 0
    with suppress(ConnectionError):
        while data:
            with suppress(TimeoutError):
                data = conn.recv(1024)
                conn.sendall(data)
                total += len(data)
    return total


def spins_at_the_end(conn):
    conn.settimeout(1)
    while True:
        conn.sendall(conn.recv(1024))


def says_goodbye(conn):
    total = survivor(conn)
    with suppress(OSError):
        conn.sendall(b"fim")
    return total


def answers_at_the_end(conn):
    conn.settimeout(1)
    data = b""
    with suppress(OSError):
        while piece := conn.recv(1024):
            data += piece
    conn.sendall(data)
    return len(data)


def send_once(conn):
    conn.settimeout(1)
    total = 0
    with suppress(OSError):
        while data := conn.recv(65536):
            total += conn.send(data)
    return total


def one_message(conn):
    data = conn.recv(1024)
    conn.sendall(data)
    return len(data)


def forget_return(conn):
    survivor(conn)


def survivor_in_slices(conn):
    conn.settimeout(0.1)
    total, limit = 0, time.monotonic() + 1
    while time.monotonic() < limit:
        try:
            data = conn.recv(1024)
            if not data:
                break
            conn.sendall(data)
        except TimeoutError:
            continue
        except OSError:
            break
        total, limit = total + len(data), time.monotonic() + 1
    return total


RIGHT = [survivor, survivor_with_select, survivor_in_slices, catching(OSError)]


@pytest.mark.parametrize("answer", [*RIGHT, counts_each_piece_after_sending_it_by_parts])
def test_survivor_is_accepted_in_any_style(answer):
    check = checks.survives(answer)
    assert check.ok, check


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (forget_return, "Faltou o return?"),
        (count_messages, "Conte os bytes que ecoou"),
        (one_message, "esperava b'ol"),
        (counting(lambda total, data: total + 1), "Esses são os recv que trouxeram algo"),
        (counting(lambda total, data: total + 1024), "Isso é o que o recv podia trazer"),
        (counting(lambda total, data: len(data)), "Esse é só o último pedaço"),
        (counting(lambda total, data: str(len(data))), "A resposta é um número (int)"),
        (counting(lambda total, data: total + len(data.decode())), "os bytes se contam com len"),
        (catching(ConnectionError or TimeoutError), "vão numa tupla: except (A, B)"),
        (one_or_another, "vão numa tupla: except (A, B)"),
        (catching(ConnectionError), "O silêncio não é um erro do seu servidor"),
        (catching(OSError, timeout=None), "um cliente que se calou, você continuou esperando"),
        (catching(OSError, timeout=0.35), "antes de um segundo"),
        (catching(TimeoutError), "devolva o que já ecoou"),
        (catching(TimeoutError, ConnectionResetError), "pense na família, ou em OSError"),
        (patient_after_the_first, "Com um cliente que nunca falou"),
        (back_to_recv_after_the_deadline, "você voltou ao recv: saia do laço"),
        (spins_at_the_end, "O recv já devolveu b'': é o fim, saia do laço."),
        (answers_at_the_end, "voltou ao recv sem responder"),
        (says_goodbye, "depois do eco veio mais: b'fim'"),
        (send_once, "send pode aceitar só uma parte"),
        (count_before_sendall, "Os bytes de um sendall que falhou não contam"),
        (guard_only_recv, "O corte também pode chegar no sendall"),
    ],
)
def test_mistake_about_survival_gets_its_hint(answer, hint):
    wrong(checks.survives(answer), hint)
