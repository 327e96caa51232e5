"""explain(): cada erro de socket, provocado de verdade, ganha a sua explicação em português."""

import asyncio
import errno
import io
import selectors
import socket
import subprocess
import sys
import threading
import time
from codecs import getincrementaldecoder
from contextlib import ExitStack, nullcontext
from ipaddress import ip_address, ip_network
from struct import pack, unpack
from types import SimpleNamespace

import pytest

from echo_lib import EchoError, EchoServer, Trace, errors, explain
from echo_lib.capture import read
from echo_lib.errors import CODES, annotate, valid_address
from echo_lib.network import addresses
from tests.common import HERE, ROOT, TIMEOUT, reset

SYSTEMS = ("Windows", "macOS", "Linux")
ADDRESS_FORM = "o endereço não tem a forma que o socket espera"
DEADLINE_FORM = "o prazo não foi dado como o socket o espera"


@pytest.fixture
def net():
    """Um socket novo `s`, uma escuta e as duas pontas de uma conexão."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s,
        socket.create_server((HERE, 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
        listener.accept()[0] as conn,
        ExitStack() as stack,
    ):
        client.settimeout(TIMEOUT)
        address = listener.getsockname()
        ends = {"s": s, "listener": listener, "client": client, "conn": conn}
        yield SimpleNamespace(**ends, address=address, enter=stack.enter_context)


def explained(call, *given):
    """O texto da explicação do erro que a chamada provoca."""
    with pytest.raises(BaseException) as caught:
        call(*given)
    return str(explain(caught.value))


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("name", CODES)
def test_every_code_is_explained_with_its_number_in_each_system(name, system, monkeypatch):
    column = SYSTEMS.index(system)
    prefix = "WSA" if system == "Windows" else ""
    table = {numbers[column]: prefix + known for known, numbers in CODES.items()}
    monkeypatch.setattr(errors, "errorcode", table)  # a tabela de errno daquele sistema
    windows, macos, linux = CODES[name]
    happened, cause, remedy, codes = str(explain(OSError(CODES[name][column], "…"))).splitlines()
    assert happened.startswith("O que aconteceu: ") and "{onde}" not in happened
    assert cause.startswith("Causa provável: ") and remedy.startswith("O que fazer: ")
    assert codes == f"Código: {name} (Windows {windows}, macOS {macos}, Linux {linux})"


def test_codes_agree_with_this_system():
    column = {"win32": 0, "darwin": 1}.get(sys.platform, 2)
    own = {name: getattr(errno, "WSA" + name, getattr(errno, name)) for name in CODES}
    own["EPIPE"] = CODES["EPIPE"][column]  # no Windows chama-se WSAESHUTDOWN
    assert {name: numbers[column] for name, numbers in CODES.items()} == own


@pytest.mark.parametrize(
    "pair", [("EPERM", "EACCES"), ("ENFILE", "EMFILE"), ("EINPROGRESS", "EAGAIN")], ids="→".join
)
def test_similar_codes_have_the_same_explanation(pair):
    one, other = (explain(OSError(getattr(errno, name), "…")) for name in pair)
    assert one == other is not None


# Erros do sistema, cada um provocado por chamadas de socket comuns.


def forbidden(net):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("127.255.255.255", 9))  # falta SO_BROADCAST


def too_many(net):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (net.s.fileno(), hard))
    try:
        socket.socket()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def full(net):
    """Um endereço em que um connect espera: a fila da escuta está cheia (listen(2))."""
    net.listener.listen(0)
    for _ in range(8):
        crowd = net.enter(socket.socket())
        crowd.setblocking(False)
        crowd.connect_ex(net.address)
    return net.address


def test_only_an_error_of_the_system_has_codes():
    assert explain(TimeoutError("timed out")).codes == ""
    told = explain(TimeoutError(errno.ETIMEDOUT, "Connection timed out"))
    assert told.codes.startswith("ETIMEDOUT (") and "o outro lado sumiu da rede" in told.cause


@pytest.mark.parametrize(
    ("provoke", "happened", "hint"),
    [
        (
            lambda net: (net.listener.close(), net.s.connect(net.address)),
            "conexão recusada: a máquina respondeu",
            "127.0.0.1 é sempre a própria máquina de quem conecta",
        ),
        (lambda net: net.s.bind(net.address), "já está em uso", "com a porta 0 o sistema escolhe"),
        (
            lambda net: net.s.bind(("192.168.0.12", 0)),
            "o endereço não pode ser usado nesta máquina",
            "O 192.168.0.12 do tutorial é o da máquina de quem o escreveu",
        ),
        (forbidden, "não deu permissão", "portas abaixo de 1024 pedem privilégios"),
        (
            lambda net: (net.client.settimeout(0.01), net.client.recv(1)),
            "o tempo acabou, e o que se esperava não chegou",
            "o outro lado ainda não enviou (recv)",
        ),
        (lambda net: net.s.connect(("255.255.255.255", 80)), "inalcançável", "use 127.0.0.1"),
        (
            lambda net: (reset(net.conn), net.client.recv(1)),
            "cortada pelo outro lado (RST)",
            "esta conexão não volta",
        ),
        (
            lambda net: (net.client.shutdown(socket.SHUT_WR), net.client.send(b"x")),
            "não tem conexão aberta para escrita",
            "você mesmo chamou shutdown()",
        ),
        (lambda net: net.listener.recv(1), "não está conectado", "conn, addr = s.accept()"),
        (lambda net: net.client.connect(net.address), "já está conectado", "connect foi chamado"),
        (
            lambda net: (net.s.bind((HERE, 0)), net.s.bind((HERE, 0))),
            "o sistema recusou a chamada",
            "bind duas vezes",
        ),
        (
            lambda net: (net.s.bind((HERE, 0)), net.s.accept()),
            "o sistema recusou a chamada",
            "siga a ordem: socket, bind, listen, accept",
        ),
        (
            lambda net: (net.s.close(), net.s.send(b"x")),
            "este socket já foi fechado",
            "crie um socket novo",
        ),
        (lambda net: (net.conn, net.address).recv(1024), "o accept devolve um par", "conn, addr ="),
        (lambda net: "" + net.s.family.to_bytes(), "não se somam", "dados = b''"),
        (lambda net: net.client.recv(), "quantos bytes quer", "conn.recv(1024)"),
        (lambda net: net.client.sendall(), "sem o que enviar", "conn.sendall(dados)"),
        (
            lambda net: (net.listener.setblocking(False), net.listener.accept()),
            "modo não bloqueante",
            "use settimeout(segundos)",
        ),
        (too_many, "abertos demais neste programa", "feche cada socket"),
        (
            lambda net: net.s.connect(("eco.invalid", 1)),
            "o nome da máquina não foi {}",
            "DNS",
        ),
        (
            lambda net: net.s.connect(("::1", 1)),
            "não é da família deste socket",
            "um endereço IPv4",
        ),
        (
            lambda net: (net.s.settimeout(0.001), net.s.connect(full(net))),
            "o tempo acabou sem resposta",
            "no connect, um firewall descarta",
        ),
        (
            lambda net: (net.client.settimeout(0.01), net.client.sendall(bytes(2**24))),
            "o tempo acabou sem resposta",
            "No sendall, o outro lado não lê",
        ),
        (lambda net: net.s.connect((HERE, 70000)), "a porta não é válida", "de 0 a 65535"),
        (lambda net: socket.create_connection((HERE, "porta")), "a porta não é", "sem aspas"),
    ],
)
def test_error_of_a_real_call_is_explained(net, provoke, happened, hint, untranslated):
    text = explained(provoke, net)
    assert happened.format(untranslated) in text and hint in text


@pytest.mark.skipif(sys.platform != "linux", reason="lê a configuração do Linux")
def test_port_80_is_forbidden_to_an_ordinary_user():
    program = (
        "import os, socket; from echo_lib import explain\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "try: socket.create_server(('127.0.0.1', 80)).close(); print('livre')\n"
        "except OSError as error: print(explain(error).codes)"
    )
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding="ascii") as start:
        expected = "EACCES (Windows 10013" if int(start.read()) > 80 else "livre"
    command = [sys.executable, "-c", program]
    assert subprocess.check_output(command, text=True, timeout=TIMEOUT).startswith(expected)


# Valores e textos errados: o sistema nem chega a ser chamado.


@pytest.mark.parametrize("scope", [nullcontext, Trace])  # rastreado ou não, o texto é o mesmo
@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda s: s.connect((HERE, -1)), "a porta não é válida"),
        (lambda s: s.connect((HERE, "61840")), ADDRESS_FORM),
        (lambda s: s.connect((HERE, None)), ADDRESS_FORM),
        (lambda s: s.bind((HERE,)), ADDRESS_FORM),
        (lambda s: s.bind((127, 61840)), ADDRESS_FORM),
        (lambda s: s.connect(HERE), ADDRESS_FORM),
        (lambda s: s.bind(HERE, 61840), ADDRESS_FORM),
        (lambda s: s.connect(HERE, 61840), ADDRESS_FORM),
        (lambda s: s.send("olá"), "escreva s.sendall(mensagem.encode())"),
        (lambda s: s.sendall("olá"), "escreva s.sendall(mensagem.encode())"),
        (lambda s: s.sendall(b" ".join(["ola"])), "escreva s.sendall(mensagem.encode())"),
        (lambda s: s.sendall(b"ola".upper), "faltaram os parênteses de uma chamada"),
        (lambda s: s.sendall(None), "recebeu outra coisa"),
        (lambda s: socket.create_server(HERE, 0), ADDRESS_FORM),
        (lambda s: socket.create_connection(HERE, 61840), ADDRESS_FORM),
        (lambda s: socket.create_connection((HERE, 618400)), "a porta não é válida"),
        (lambda s: s.listen("5"), "escreva s.listen(), com os parênteses vazios"),
        (lambda s: s.settimeout("1"), DEADLINE_FORM),
        (lambda s: s.settimeout(-1), DEADLINE_FORM),
        (lambda s: s.settimeout(), DEADLINE_FORM),
        (lambda s: setattr(s, "timeout", 1), DEADLINE_FORM),
        (lambda s: socket.settimeout(1), DEADLINE_FORM),
    ],
)
def test_wrong_argument_is_explained(scope, call, expected):
    with scope():
        s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with s:
        assert expected in explained(call, s)


def shut_by_name():
    with socket.socket() as s:
        s.shutdown("SHUT_WR")


def first_number(host):
    return int(host.split(".")[0])


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: "ção".encode()[:1].decode(), "junte todos os bytes antes do decode"),
        (lambda: "olá".encode().decode("ascii"), "use decode() sem nada, que é UTF-8"),
        (lambda: b"".join([111, 105]), "bytes(lista) faz bytes de uma lista de números"),
        (lambda: b"".append(b"oi"), "some o pedaço, dados += parte"),
        (lambda: first_number("localhost"), 'antes do int: if host == "localhost"'),
        (lambda: "\udcff".encode(), "este texto não pode virar bytes"),
        (lambda: "olá".encode("ascii"), "use mensagem.encode(), que é UTF-8"),
        (lambda: conn.recv(1024), "confira a escrita; depois, execute as células na ordem"),  # noqa: F821
        (lambda: explained(), "compare os parênteses do def com os da chamada"),
        (lambda: forbidden_file(1), "mais argumentos do que o def dela pede"),
        (lambda: receive(tamanho=3), "help(socket.create_connection)"),
        (lambda: threading.Thread(print, "oi"), "threading.Thread(target=atender, args=(conn,))"),
        (lambda: error_after_its_except(), "guarde o erro em outro nome dentro do except"),
        (lambda: raise_alone(), "ponha o raise dentro do except"),
        (lambda: name_before_its_value(), "dê-lhe um valor antes do laço, como em dados = b''"),
        (lambda: itself(), "talvez a linha que era para experimentá-la"),
        (lambda: listen_without_connections(), "listen e accept são do TCP (SOCK_STREAM)"),
        (lambda: receive("1024"), "escreva o número sem aspas"),
        (lambda: receive((1024,)), "de unpack, use o item [0]"),
        (lambda: print("").decode(), "connect, bind, listen, sendall, print, append"),
        (lambda: "olá".decode(), "para enviar, texto.encode()"),
        (lambda: b"oi".encode(), "do que o recv trouxe, dados.decode()"),
        (lambda: in_a_with((HERE, 61840)), "um par não é um socket"),
        (lambda: in_a_with(print("")), "bind e connect devolvem None"),
        (lambda: len("olá".encode), "chame-a com parênteses"),
        (lambda: len > 2, "chame-a com parênteses"),
        (lambda: b"a b".split(" "), "ponha um b antes das aspas"),
        (lambda: socket.create_connection((1, 2)), ADDRESS_FORM),
        (lambda: int(b"\0\0\0\2"), "int.from_bytes(dados, 'big')"),
        (lambda: sys.exit(), "para sair da função, use return"),
        (lambda: ask_nobody(), "os parâmetros da função ou, num programa, sys.argv"),
        (lambda: ip_network("192.168.0.5/24"), "passe também strict=False"),
        (lambda: AF_INET, "como em socket.AF_INET"),  # noqa: F821
        (lambda: called(socket), "há nesta pasta um .py com o nome do módulo"),
        (lambda: settimeout(1), "como em s.settimeout(1) e conn.recv(1024)"),  # noqa: F821
        (lambda: ip_interface, "como em ipaddress.ip_interface"),  # noqa: F821
        (lambda: asserted(False), "veja com print os valores que a condição compara"),
        (lambda: true, "True, False e None começam com maiúscula"),  # noqa: F821
        (lambda: checks.client, "execute a célula que tem from echo_lib import checks"),  # noqa: F821
        (lambda: startswith("127."), "host.startswith('127.')"),  # noqa: F821
        (lambda: HERE.startswith(127), 'host.startswith("127.")'),
        (lambda: capture().sort(), "sorted(segmentos, key=lambda s: s.seq)"),
        (lambda: [].sorted(), "escreva sorted(lista)"),
        (lambda: {}[2], "use dicionario.get(chave)"),
        (lambda: HERE.startsWith("127."), "escreva startswith"),
        (lambda: TimeOutError, "se era TimeoutError, escreva assim; se não, execute antes"),  # noqa: F821
        (lambda: ipadress, "há um parecido, ipaddress"),  # noqa: F821
        (lambda: min([]), "min(lista, default=None)"),
        (lambda: HERE - HERE, "subtrai números, e o que vem antes dele é um texto"),
        (lambda: shut_by_name(), "o nome dela vai sem aspas"),
        (lambda: compile("%%writefile a.py\n", "a.py", "exec"), "apague esta linha"),
        (
            lambda: ip_network("10.0.0.0/8") in ip_address("10.0.0.5"),
            "à direita do in vai uma rede",
        ),
        (lambda: HERE.startswith(["127."]), "uma lista não"),
        (lambda: selectors.DefaultSelector().unregister(3), "unregister logo antes do close"),
        (lambda: in_a_with(3), "Um número também não"),
        (lambda: send_a_comparison(), "tire o != b'', que while já faz"),
        (lambda: struct.pack, "execute a célula que tem import struct"),  # noqa: F821
        (lambda: error, "execute as células na ordem"),  # noqa: F821
        (lambda: local, "execute as células na ordem"),  # noqa: F821
        (lambda: read_only_deadline(), DEADLINE_FORM),
        (lambda: in_a_with(socket.socket), "with EchoClient(host, porta) as cliente"),
        (lambda: in_a_with(threading.Lock().acquire()), "escreva só with trava"),
        (lambda: called(threading.Lock()), "escreva só with trava"),
        (lambda: in_a_with(threading.Lock().acquire), "chame-a com parênteses"),
        (lambda: pair(threading.Lock().acquire), "chame-a com parênteses"),
        (lambda: [*iter(3)], "escreva for _ in range(n)"),
        (lambda: [].__iadd__(3), "para pôr um item numa lista, lista.append(item)"),
        (lambda: [] + 3, "para pôr um item no fim dela, escreva lista.append(item)"),
        (lambda: pair((1, 2, 3)), "tantos nomes quantos são os itens"),
        (lambda: pair(capture()[0]), "dão pares enumerate, zip e uma lista de pares"),
        (lambda: pair(print("")), "tantos nomes quantos são os itens"),
        (lambda: threading.thread, "maiúsculas contam: threading.Thread"),
        (lambda: [].sendall(b"oi"), "ele pode ser de cada item dela"),
        (lambda: item_at(socket.socket), "for outro in sala, e depois outro.sendall(dados)"),
        (lambda: {"agora": 0} + 1, 'diga a chave: placar["agora"] += 1'),
        (lambda: 0 + print(""), "total += len(dados)"),
        (lambda: 0 + b"oi", "total += len(dados)"),
        (lambda: called((1, 2)), "tire os parênteses, ou as aspas"),
        (lambda: next(enumerate("a")).flags, "for i, s in enumerate(…)"),
        (lambda: EchoServer().adress, "com a tecla Tab depois do ponto"),
        (lambda: b"" + b"oi"[0], "uma fatia, como dados[0:1], já são bytes"),
        (lambda: "".join([b"oi"]), "texto (str) e bytes não se somam"),
        (lambda: b"".join(["oi"]), "texto (str) e bytes não se somam"),
        (lambda: sorted(capture()), "key=lambda s: s.seq"),
        (lambda: range([1, 2]), "escreva range(len(lista))"),
        (lambda: conn, "é um texto a que faltam as aspas"),  # noqa: F821
        (lambda: capture().lost, "uma captura, não tem o que está depois do ponto"),
        (lambda: [0][next(enumerate("a"))], "i é a posição, e s, o item"),
        (lambda: capture()[0].flags[(0, 1)], "i é a posição, e s, o item"),
        (lambda: [][0], "ou confira antes, com if lista"),
        (lambda: bytes("oi"), "escreva mensagem.encode(), que é UTF-8"),
        (lambda: [0].__getitem__("state"), "for linha in linhas, e depois linha.state"),
        (lambda: threading.Lock().release(), "escreva só with trava, sem acquire nem release"),
        (lambda: threading.RLock().release(), "escreva só with trava, sem acquire nem release"),
        (lambda: add_a_socket([]), "escreva sala.append(conn)"),
        (lambda: raise_a_text(), 'raise ConnectionError("o servidor fechou")'),
        (lambda: [].remove(3), "tire cada um num lugar só do código"),
        (lambda: in_a_with(socket), "faltou dizer qual socket"),
        (lambda: socket_called(), "como em linha.state() e with conn()"),
        (lambda: ()[1], "ou confira antes, com if lista"),
        (lambda: "FIN" in capture()[0], "um número se compara com =="),
        (lambda: capture()[0].flags in "FIN", "à esquerda vai o que se procura"),
        (lambda: addresses()[0]["address"], "escreva, por exemplo, endereco.address"),
        (lambda: b"oi" < 3, "escreva len(dados) < n"),
        (lambda: 3 - b"oi", "n - len(dados); de um tamanho"),
        (lambda: receive(-2), "o que falta é n - len(dados)"),
        (lambda: pack("!I", b"oi"), "struct.unpack('!I', quatro_bytes)[0]"),
        (lambda: pack("I!", 2), "struct.unpack('!I', quatro_bytes)[0]"),
        (lambda: pack(2, "!I"), "struct.unpack('!I', quatro_bytes)[0]"),
        (lambda: unpack(b"\0\0\0\2", "!I"), "struct.unpack('!I', quatro_bytes)[0]"),
        (lambda: unpack("!H", b"\0\0\0\2"), "como em exato(conn, 4)"),
        (lambda: one_thread_too_many(), "o accept, que espera, fica dentro do laço"),
        (lambda: asyncio.run(one_thread_too_many), "faltaram os parênteses da chamada"),
        (lambda: asyncio.run(None), "ou o async antes do def"),
        (lambda: called_of_a_socket("setTimeout"), "escreva settimeout."),
        (lambda: called_of_a_socket("set_timeout"), "escreva settimeout."),
        (lambda: called_of_a_socket("sendal"), "escreva sendall."),
        (lambda: called_of_a_socket("disconnect"), "e a porta, de s.getsockname()[1]"),
        (lambda: called_of_a_socket("closed"), "e a porta, de s.getsockname()[1]"),
        (lambda: called_of_a_socket("port"), "e a porta, de s.getsockname()[1]"),
        (lambda: eval("time.sleep(0,2)", {"time": time}), "escreva 0.2, e não 0,2"),
        (lambda: two_from_a_server(), "a porta dele é s.getsockname()[1]"),
        (lambda: port_of_a_server(), "e a porta, de s.getsockname()[1]"),
        (lambda: starts_with("127.", "localhost"), "junte os começos numa tupla"),
        (lambda: called("LISTEN"), "tire os parênteses, ou as aspas"),
        (lambda: isinstance(3, 98), "Um código se compara com erro.errno"),
        (lambda: caught_by(98), "Um código se compara com erro.errno"),
        (lambda: int("localhost"), "os argumentos começam no [1]"),
        (lambda: ip_address("localhost"), "trate o nome à parte"),
        (lambda: ip_network("{um}/{mascara}"), "escreva a rede com f"),
        (lambda: "127.0.0.1" & "255.0.0.0", "int(ipaddress.ip_address(endereço))"),
        (lambda: "127.0.0.1".starts("127."), "com a tecla Tab depois do ponto"),
        (lambda: int("127.0.0.1"), "os argumentos começam no [1]"),
        (lambda: pair(sys.argv[:1]), "host, porta = sys.argv[1:3]"),
        (lambda: "192.168.0.5" in ip_network("192.168.0.0/24"), "ip_address(endereço) in rede"),
        (lambda: getincrementaldecoder("utf-8").decode(b"a"), "um segundo par de parênteses"),
        (lambda: b"a\n".endswith("\n"), "ponha um b antes das aspas"),
        (lambda: b""[-1], "startswith ou endswith, que servem também"),
        (lambda: ""[-1], "startswith ou endswith, que servem também"),
        (lambda: print(*None), "deixe lista.sort() sozinho na linha"),
        (lambda: "a" in None, "deixe lista.sort() sozinho na linha"),
        (lambda: [x for x in [2, 1].sort()], "deixe lista.sort() sozinho na linha"),
        (lambda: (1, 2)[capture()[0]], "o for já dá cada item"),
        (lambda: len(capture()).flags, "como em segmentos[i].flags"),
        (lambda: ip_network("10.0.0.1", "255.0.0.0", strict=False), "vai no texto, depois de uma"),
        (lambda: conn_like().sendall(b"abcd", b"abcd"), "há uma vírgula entre as partes"),
        (lambda: int("\0\0\0\2"), "struct.unpack('!I', dados)[0]"),
        (lambda: conn_like() < 4, "passe-os na ordem do def"),
        (lambda: next(iter([])), "diga o que devolver nesse caso"),
        (lambda: len(5), "escreva n, e não len(n)"),
        (lambda: [].append(1, 2), "lista.append((a, b))"),
        (lambda: conn_like.send, "chame-a com parênteses"),
    ],
)
def test_text_names_and_arguments_are_explained(make, expected):
    assert expected in explained(make)


def conn_like():
    with socket.socket() as sock:
        return sock


def forbidden_file():
    raise PermissionError(errno.EACCES, "Permission denied", "notas.txt")


def error_after_its_except():
    try:
        forbidden_file()
    except OSError as erro:
        print(erro)
    raise erro  # noqa: F821


def add_a_socket(room):
    with Trace(), socket.socket() as s:
        room += s


def raise_a_text():
    raise "o servidor fechou"  # noqa: B016


def raise_alone():
    raise


def one_thread_too_many():
    """Uma thread cuja pilha não cabe na memória, que o sistema recusa como recusaria a milésima."""
    usual = threading.stack_size(2**60)
    try:
        threading.Thread(target=print).start()
    finally:
        threading.stack_size(usual)


def socket_called():
    with socket.socket() as s:
        s()


def name_before_its_value():
    data += b"oi"  # noqa: F821, F841


def itself():
    itself()


def listen_without_connections():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.listen()


def receive(size):
    with socket.socket() as s:
        s.recv(size)


def send_a_comparison():
    with socket.socket() as s:
        s.sendall(b"oi" != b"")


def in_a_with(value):
    with value:
        pass


def read_only_deadline():
    with socket.socket() as s:
        s.settimeout = 1


def capture():
    return read(ROOT / "notebooks" / "capturas" / "perda")


def called_of_a_socket(method):
    with socket.socket() as s:
        getattr(s, method)(1)


def two_from_a_server():
    with socket.create_server((HERE, 0)) as listener:
        s, port = listener
    return s, port


def port_of_a_server():
    with socket.create_server((HERE, 0)) as s:
        return s.port


def starts_with(one, other):
    return HERE.startswith(one, other)


def asserted(value):
    assert value, "tente de novo"


def pair(value):
    host, port = value
    return host, port


def called(value):
    return value()


def item_at(make):
    with make() as place:
        return [0][place]


def caught_by(kind):
    try:
        raise_alone()
    except kind:
        return kind


def ask_nobody():
    keyboard, sys.stdin = sys.stdin, io.StringIO()
    try:
        input()
    finally:
        sys.stdin = keyboard


def number_glued_to_text():
    with socket.socket() as s:
        s.sendall(("idade: " + 15).encode())


@pytest.mark.parametrize(
    "make",
    [
        lambda: open("arquivo que não existe.txt"),  # noqa: SIM115
        lambda: (i for i in "").send(),
        lambda: abs("5"),
        lambda: conn_like().sendall(bytes([b"a"])),
        lambda: (61840).endswith("0"),
        lambda: [].append(),
        lambda: sorted([conn_like(), conn_like()]),
        lambda: int("x"),
        lambda: 2.0**10_000,
        forbidden_file,
        number_glued_to_text,
        lambda: (1).real.other,
    ],
)
def test_errors_of_other_subjects_are_left_alone(make):
    with pytest.raises(Exception) as caught:
        make()
    annotate(caught.value)
    assert explain(caught.value) is None and not hasattr(caught.value, "__notes__")


def test_annotate_adds_its_note_once_with_the_address():
    error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    annotate(error, ("eco.casa", 61840), "Porta livre: 61841.")
    annotate(error, ("outro", 1), "outra")
    note, extra = error.__notes__
    assert "o nome da máquina (eco.casa:61840) não foi encontrado" in note
    assert extra == "Porta livre: 61841."


@pytest.mark.parametrize(
    ("code", "happened", "codes"),
    [
        (
            socket.EAI_NONAME,
            "o nome da máquina não foi encontrado.",
            "EAI_NONAME (Windows 11001, macOS 8, Linux -2)",
        ),
        (
            socket.EAI_AGAIN,  # o DNS não respondeu: o nome pode estar certo
            "o nome da máquina não foi traduzido em endereço: ninguém respondeu.",
            "EAI_AGAIN (Windows 11002, macOS 2, Linux -3)",
        ),
    ],
)
def test_name_unknown_is_told_from_a_lookup_without_answer(code, happened, codes):
    lines = str(explain(socket.gaierror(code, "…"))).splitlines()
    assert lines[0] == f"O que aconteceu: {happened}" and lines[-1] == f"Código: {codes}"


def test_name_like_a_parameter_is_told_and_another_is_not():
    def free(minha_porta):
        return porta  # noqa: F821

    def other(i):
        return indice  # noqa: F821

    def module(host):
        return gethostbyname(host)  # noqa: F821

    def library(os_csv):
        return csv.reader("a")  # noqa: F821

    said = []
    for function in (free, other, module, library):
        with pytest.raises(NameError) as caught:
            function(1)
        said.append(str(explain(caught.value)))
    assert "o que esta função recebe é minha_porta" in said[0]
    assert "escreva minha_porta, ou mude o def" in said[0]
    assert "ainda não existe neste kernel" in said[1]
    assert "como em socket.gethostbyname" in said[2] and "import csv" in said[3]


def test_error_of_the_echo_explains_itself():
    error = EchoError("fechou.", "ele parou.", "conecte de novo.")
    assert isinstance(error, ConnectionError) and str(error) == "fechou."
    expected = "O que aconteceu: fechou.\nCausa provável: ele parou.\nO que fazer: conecte de novo."
    assert str(explain(error)) == expected


@pytest.mark.parametrize(
    "host", [" 127.0.0.1 ", "ção.local", "localhost", "0.0.0.0", "255.255.255.255", "3com", "beef"]
)
@pytest.mark.parametrize("port", [0, 65535, "61840", " 7 "])
def test_valid_address_is_returned_clean(host, port):
    assert valid_address(host, port) == (host.strip(), int(port))


@pytest.mark.parametrize(
    ("host", "message"),
    [(host, "o nome ou o endereço de uma máquina") for host in ("", " ", None, 127, b"eu")]
    + [(h, "só o endereço, sem http://") for h in ("http://eu", "eu:80", "a b", "a\0b", "a\u202eb")]
    + [
        (h, "um nome, ou quatro números")
        for h in ("127.0.0", "10.0.0.300", "1.2.3.4.", "1.2.3.4.5", "7", "1..2.3", "10.0.0.012")
    ]
    + [(h, "um endereço IPv4") for h in ("::1", "fe80::1%2", "2001:DB8::7", "::")],
)
def test_bad_host_is_refused(host, message):
    with pytest.raises(ValueError, match=f"esperava {message}.*; recebi "):
        valid_address(host, 1)


def test_pair_in_the_place_of_the_host_says_how_to_open_it():
    with pytest.raises(ValueError, match=r"recebi \('127.0.0.1', 1\)\. Host e porta são dois"):
        valid_address((HERE, 1), 61840)


@pytest.mark.parametrize("port", [-1, 65536, "65536", "-1", "", "²", 1.5, None, True, "9" * 5000])
def test_bad_port_is_refused(port):
    with pytest.raises(ValueError, match=r"esperava uma porta, .* de 0 a 65535; recebi .* 61840"):
        valid_address(HERE, port)
