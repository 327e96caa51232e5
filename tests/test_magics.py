"""%load_ext echo_lib num kernel de verdade: a explicação sob o traceback dos erros do assunto."""

import re
import signal
import sys

import nbformat
import pytest

from echo_lib import EchoClient, EchoServer, Trace
from echo_lib.magics import _newest, _settle
from tests.common import ROOT
from tests.conftest import (
    NO_EXTENSIONS,
    Kernel,
    connect,
    kernel_manager,
    quiet_port,
    stop_kernel,
)
from tests.lessons import execute

OTHERS = {
    "arquivo": "open('não existe.txt')",
    "divisão": "1 / 0",
    "tipo": "abs('5')",
    "função": "def f():\n    return int('x')\nf()",
    "encadeada": "try:\n    {}['a']\nexcept KeyError as e:\n    raise ValueError('b') from e",
}
NOTE = "O que aconteceu: "


def shown(kernel, code):
    return re.sub(r"In\s?\[\d+\]", "In[N]", kernel.run(code))


@pytest.fixture(scope="module")
def before(kernel):
    """O que o IPython mostra antes de carregar a extensão; depois, ela está carregada."""
    found = {name: shown(kernel, code) for name, code in OTHERS.items()}
    assert kernel.run("%load_ext echo_lib") == ""
    assert kernel.run("import socket\ns = socket.socket()") == ""
    return found


@pytest.mark.parametrize(
    ("failure", "name"),
    [
        ("escuta.accept()", "TimeoutError"),
        ("1 / 0", "ZeroDivisionError"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("sys.exit('fim')", "SystemExit"),
        ("raise ExceptionGroup('dois', [falha(escuta)])", "ExceptionGroup"),
        ("raise ValueError('ninguém veio') from falha(escuta)", "ValueError"),
    ],
)
def test_function_that_fails_in_a_cell_does_not_keep_the_port_it_had(kernel, before, failure, name):
    port = quiet_port()
    kernel.run(
        f"""
import sys
def falha(escuta):
    try:
        escuta.accept()
    except TimeoutError as erro:
        return erro
def espera():
    escuta, outro = socket.socket(), do_notebook
    escuta.bind(("127.0.0.1", {port}))
    escuta.listen()
    escuta.settimeout(0.01)
    {failure}
do_notebook = socket.socket()
"""
    )
    for _ in range(3):
        shown = kernel.run("espera()")
        assert name in shown and "OSError" not in shown
    assert kernel.run("print(do_notebook.fileno() > 0)") == "True\n"


@pytest.fixture
def automatic():
    """Um kernel como os que kit.py aula abre: a extensão vem com ele."""
    if sys.prefix != str(ROOT / ".venv"):
        pytest.skip("só na .venv que o kit.py monta")
    manager = kernel_manager()
    manager.kernel_spec.argv.remove(NO_EXTENSIONS)
    client = connect(manager, ROOT)
    yield Kernel(client)
    stop_kernel(manager, client)


def test_error_before_any_load_ext_is_explained_in_the_venv_of_the_kit(automatic):
    assert "execute as células na ordem" in automatic.run("servidor.stop()")
    assert automatic.run("%load_ext echo_lib") == automatic.run("%load_ext echo_lib") == ""
    assert automatic.run("servidor.stop()").count(NOTE) == 1


def test_load_ext_in_the_very_first_cell_says_nothing_in_the_venv_of_the_kit(automatic):
    assert automatic.run("%load_ext echo_lib") == ""


def test_who_uses_a_function_whose_new_version_did_not_run_is_told(kernel, before):
    kernel.run("def dobro(n):\n    return n")
    broken = "def dobro(n)\n    return 2 * n"
    assert "SyntaxError" in kernel.run(broken)
    old = kernel.run("print(dobro(2), dobro)")
    assert "`dobro` ainda é a de antes" in old and old.count("de antes") == 1
    assert old.index("de antes") < old.index("<function dobro")
    for other in (
        "print('dobro')",
        "def g(dobro):\n    return dobro\ng(1)",
        "for dobro in ():\n    pass",
        "%%writefile /dev/null\ndobro(2)",
        "def outra(n)\n    return n",
        "outra(2)",  # que não existia: o NameError já diz tudo
    ):
        assert "de antes" not in kernel.run(other).replace("continua como antes", ""), other
    assert kernel.run("dobro = lambda n: 2 * n\nprint(dobro(2))") == "4\n"
    assert kernel.run("print(dobro(2))") == "4\n"
    assert "SyntaxError" in kernel.run("%%rastrear\n" + broken)
    assert "de antes" in kernel.run("print(dobro(2))")
    assert kernel.run("def dobro(n):\n    return 2 * n\nprint(dobro(2))") == "4\n"


def test_stray_return_does_not_undo_the_function_before_it(kernel, before):
    """O IPython compila e executa passo a passo: a função acima do return já é a nova."""
    kernel.run("def triplo(n):\n    return n")
    said = kernel.run("def triplo(n):\n    return 3 * n\nreturn triplo(1)")
    assert "'return' outside function" in said and "já foi executado" in said
    said = kernel.run("%%rastrear\ndef triplo(n):\n    return 0\nreturn triplo(1)")
    assert "nada desta célula foi executado" in " ".join(said.split())
    assert kernel.run("print(triplo(1))") == "3\n"


@pytest.mark.parametrize("name", OTHERS)
def test_errors_of_other_subjects_are_shown_as_always(kernel, before, name):
    assert before[name] == shown(kernel, OTHERS[name]) and NOTE not in before[name]


def test_answers_that_are_not_here_are_missed_in_portuguese(kernel, before):
    traceback, explanation = kernel.run("%load solucoes/99.py").split(NOTE)
    assert "ValueError" in traceback and "o %load pede não está aqui" in explanation


@pytest.mark.parametrize(
    ("code", "error", "text"),
    [
        ("s.bind(('192.168.0.12', 61840))", "OSError", "O 192.168.0.12 do tutorial é"),
        ("socket.create_connection(('127.0.0.1', 1))", "ConnectionRefused", "conexão recusada"),
        ("s.connect('127.0.0.1', 61840)", "TypeError", "escreva com parênteses duplos"),
        ("s.connect(('127.0.0.1', '61840'))", "TypeError", "escreva com parênteses duplos"),
        ("s.connect(('127.0.0.1', 99999))", "OverflowError", "a porta não é válida"),
        ("s.sendall('olá')", "TypeError", "escreva s.sendall(mensagem.encode())"),
        ("'ç'.encode()[:1].decode()", "UnicodeDecodeError", "junte todos os bytes"),
        ("servidor.listen()", "NameError", "execute as células na ordem"),
        ("def f():\n    s.accept()\nf()", "OSError", "siga a ordem: socket, bind"),
    ],
)
def test_socket_error_is_explained_under_its_traceback(kernel, before, code, error, text):
    traceback, explanation = kernel.run(code).split(NOTE)
    assert error in traceback and code.splitlines()[-1] in traceback and text in explanation


def test_error_that_brings_its_own_note_is_explained_once(kernel, before):
    for _ in range(2):
        text = kernel.run("from echo_lib import EchoServer\nEchoServer('192.168.0.12').start()")
        assert text.count(NOTE) == 1 and "(192.168.0.12:61840)" in text


@pytest.mark.parametrize("code", ["EchoServer('127.0.0.1', 99999)", "EchoClient().send(b'x')"])
def test_argument_that_the_library_refuses_shows_the_line_of_the_student(kernel, before, code):
    kernel.run("%load_ext echo_lib\nfrom echo_lib import EchoClient, EchoServer")
    told = kernel.run(code)
    assert f"----> 1 {code}" in told and told.count("---->") == 1 and "; recebi" in told, told


CALL = "socket.create_connection(('127.0.0.1', 1), 5)"


def test_error_that_is_its_own_cause_and_one_in_an_except_are_shown_as_always(kernel, before):
    kernel.run("%load_ext echo_lib")
    code = "try:\n    int('x')\nexcept ValueError as erro:\n    raise erro from erro"
    assert "RecursionError" not in kernel.run(code)
    told = kernel.run(f"try:\n    {CALL}\nexcept OSError:\n    1 / 0")
    assert "ZeroDivisionError" in told and NOTE not in told


@pytest.mark.parametrize(
    "code",
    [
        f"import threading\nt = threading.Thread(target=lambda: {CALL})\nt.start()\nt.join()",
        f"try:\n    {CALL}\nexcept OSError as erro:\n    raise RuntimeError('não deu') from erro",
        f"try:\n    {CALL}\nexcept OSError as erro:\n    raise ExceptionGroup('dois', [erro])",
    ],
)
def test_error_of_a_thread_or_behind_another_is_explained_once(kernel, before, code):
    kernel.run("%load_ext echo_lib")
    told = kernel.run(code)
    assert told.count(NOTE) == 1 and "conexão recusada" in told, told


def test_loading_again_prints_nothing_and_explains_once(kernel, before):
    assert kernel.run("%load_ext echo_lib") == kernel.run("%reload_ext echo_lib") == ""
    assert kernel.run("s.connect(('127.0.0.1', 1))").count(NOTE) == 1
    assert kernel.run("s.close(); print('fim')") == "fim\n"


def test_traced_cell_runs_like_any_other_and_keeps_its_trace(kernel, before):
    code = "with socket.create_server(('127.0.0.1', 0)) as t: pass\nprint('dentro')\n6 * 7"
    assert kernel.run(f"%%rastrear\n{code}") == "dentro\n"
    assert kernel.run("print(_, [e.call for e in rastro.events()])") == (
        "42 ['bind', 'listen', 'close']\n"
    )
    assert kernel.run("%%rastrear\ndef dobro(n):\n    return 2 * n\ndobro(3);") == ""
    assert kernel.run("print(dobro(2), len(rastro.events()))") == "4 0\n"


def test_named_trace_is_continued_and_never_takes_the_place_of_something_else(kernel, before):
    for calls in (3, 6):
        kernel.run("%%rastrear meu\nwith socket.create_server(('127.0.0.1', 0)): pass")
        assert kernel.run("print(len(meu.events()))") == f"{calls}\n"
    kernel.run("valor, nada = 5, 0")
    for name in ("valor", "nada", "print", "class", "não é nome"):
        assert "Use um nome ainda livre" in kernel.run(f"%%rastrear {name}\n1")
    assert kernel.run("print(valor, nada)") == "5 0\n"


@pytest.mark.parametrize(
    ("code", "error", "line"),
    [
        ("import math\nint('x')", "ValueError", 3),
        ("s.connect(('127.0.0.1', '61840'))", "TypeError", 2),
        ("s.connect(('127.0.0.1',))", "TypeError", 2),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGINT)", "KeyboardInterrupt", 3),
    ],
)
def test_error_in_a_traced_cell_shows_the_line_of_the_student(kernel, before, code, error, line):
    kernel.run("s.close(); s = socket.socket()")
    text = kernel.run(f"%%rastrear\n{code}")
    assert f"----> {line} {code.splitlines()[-1]}" in text or f"--> {line} " in text, text
    assert error in text and "run_cell_magic" not in text and "echo_lib" not in text


@pytest.mark.parametrize(
    ("code", "explanation"),
    [
        ("def atender(conn)\n    pass", "faltam os dois-pontos"),
        ("try:\n    x = 1\ny = 2", "depois do bloco de um try vem um except"),
        ("while True:\nx = 1", "o recuo dessa linha não é o esperado"),
        ("x = 1\n    y = 2", "o recuo dessa linha não é o esperado"),
        ("return 3", "return só existe dentro de um def"),
        ("break", "break e continue, dentro de um laço"),
        ("s.send('oi", "faltam as aspas que fecham um texto"),
        ("s.recv(1024", "um parêntese, colchete ou chave foi aberto e não fechado"),
        ("x = (1, 2]", "um parêntese, colchete ou chave foi aberto e não fechado"),
        ("s.connect((HOST, PORTA, timeout=1))", "fora dos do par (host, porta)"),
        ("while x = f():\n    pass", "para guardar e testar de uma vez, :="),
        ("try:\n    x = 1", "um try pede um except"),
        ("f() = 2", "veja o que está à esquerda do ="),
        ("x = 1 2", "falta ou sobra um sinal"),
        ("s.sendall(b'olá')", '"olá".encode()'),
        ("async def f():\n    def g():\n        await h()", "só existem dentro de um async def"),
        ("host = “127.0.0.1”", "aspas retas, espaço comum"),
        ("porta = 061840", "escreva-o sem o zero"),
        ("f(timeout=1, 2)", "ponha primeiro os sem nome"),
        ("try:\n    x = 1\nexcept OSError, ValueError as e:\n    x = 2", "vão numa tupla"),
        ("connect(timeout=0,5)", "o decimal se escreve com ponto"),
        ("s.bind((127.0.0.1, 61840))", "ponha-o entre aspas"),
        ("HOST = 127.0.0.1", "ponha-o entre aspas"),
        ("def f(a, a): pass", "a que a linha do SyntaxError diz"),
    ],
)
def test_syntax_error_says_what_is_missing_and_that_nothing_ran(kernel, before, code, explanation):
    text = " ".join(kernel.run(code).split())
    assert explanation in text and text.count("nada desta célula foi executado") == 1


@pytest.mark.parametrize("code", ["python servidor.py", "netstat -an", "ipconfig", "ping 10.0.0.1"])
def test_a_command_of_the_terminal_typed_in_a_cell_is_told_where_it_goes(kernel, before, code):
    text = " ".join(kernel.run(code).split())
    assert text.count("isto é um comando do terminal") == 1 and "Novo → Terminal" in text, text


def test_a_program_pasted_in_a_cell_is_told_where_it_runs(kernel, before):
    program = (ROOT / "notebooks" / "cliente.py").read_text(encoding="utf-8")
    text = " ".join(kernel.run(program).split())
    assert text.count("este código encerrou o programa em que roda") == 1, text
    assert "quem o roda é o terminal" in text and "A porta deve ser um número" in text


def test_syntax_error_of_an_imported_file_is_not_of_the_cell(kernel, before, tmp_path):
    (tmp_path / "sem_dois_pontos.py").write_text("def f()", encoding="utf-8")
    text = kernel.run(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import sem_dois_pontos")
    assert "faltam os dois-pontos" in text and "desta célula" not in text, text


@pytest.mark.parametrize("code", ["eval('1 +')", "raise SyntaxError('meu')"])
def test_syntax_error_of_a_cell_that_ran_does_not_say_that_it_did_not(kernel, before, code):
    assert "nada desta célula" not in kernel.run(code)


def test_magic_that_is_not_the_first_line_is_explained(kernel, before):
    text = kernel.run("# meu programa\n%%writefile meu.py\nprint()")
    assert "não é a primeira linha dela" in text


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("%%rastrear", "escreva o código nas linhas seguintes"),
        ("%%Rastrear\n1", "não conhece esse comando de célula"),
    ],
)
def test_magic_alone_or_misspelled_is_explained(kernel, before, code, said):
    assert said in kernel.run(code)


def test_magic_of_a_cell_with_one_percent_sign_is_explained(kernel, before):
    assert "escreva-o com %%, na primeira linha" in kernel.run("%rastrear")


def test_syntax_error_and_await_in_a_traced_cell_are_clear(kernel, before):
    assert "incomplete input" in kernel.run("%%rastrear\nprint(")
    assert "with Trace() as rastro" in kernel.run("%%rastrear\nawait algo()")
    assert "with Trace() as rastro" in kernel.run("%%rastrear\n[n async for n in algo()]")


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="o Windows interrompe doutro modo")
def test_an_interrupted_call_is_in_the_trace(kernel, before):
    code = "import signal, threading\nl = socket.create_server(('127.0.0.1', 0))\n"
    code += "main = threading.main_thread().ident\n"
    code += "threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT)).start()\nl.accept()"
    text = kernel.run(f"%%rastrear\n{code}")
    assert "KeyboardInterrupt" in text and "l.accept()" in text and "trace.py" not in text
    shown = kernel.run("print([(e.call, type(e.error).__name__) for e in rastro.events()][-1])")
    assert shown == "('accept', 'KeyboardInterrupt')\n"
    kernel.run("l.close()")


def test_still_drawing_includes_what_the_server_answers_in_its_thread():
    with Trace() as trace, EchoServer(port=0) as server:
        for number in range(1, 21):
            with EchoClient(*server.address):
                _settle(trace)
                assert [e.call for e in trace.events()].count("accept") == number


SILENT = """%load_ext echo_lib
from echo_lib import checks

def atender(conn):
    conn.recv(1024)

checks.server(atender).exercise("03.1")"""
RIGHT = """
def certo(conn):
    while dados := conn.recv(1024):
        conn.sendall(dados)

checks.server(certo)"""


def test_check_in_a_cell_tells_the_mistake_and_draws_the_attempt():
    """As duas pontas, a de quem verifica e a do aluno, num só diagrama; quem passa não o recebe."""
    notebook = nbformat.v4.new_notebook(cells=[*map(nbformat.v4.new_code_cell, (SILENT, RIGHT))])
    execute(notebook)
    wrong, right = (cell.outputs for cell in notebook.cells)
    assert "✘ Enviei b'oi'" in wrong[0].text and "faltou o\nsendall?" in wrong[0].text
    drawn = " ".join(re.findall(r"<text[^>]*>([^<]*)", "".join(wrong[1].data["image/svg+xml"])))
    for part in ("cliente 1: connect", "cliente 1: sendall", "conn 1: recv(1024)", "2 bytes"):
        assert part in drawn, drawn
    assert [output.output_type for output in right] == ["stream"] and "✔" in right[0].text


def test_long_answer_breaks_between_words():
    """O JupyterLab quebraria a linha comprida em qualquer letra."""
    text = "A função voltou depois de atender 1: falta repetir o accept? " * 3
    cell = f"%load_ext echo_lib\nfrom echo_lib.checks.base import failed\nfailed({text!r})"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    execute(notebook)
    lines = notebook.cells[0].outputs[0].text.splitlines()
    assert " ".join(lines) == f"✘ {text.strip()}"
    assert max(map(len, lines)) <= 90 and len(lines) == 3


def test_drawing_of_an_attempt_has_only_the_conversations_that_fit_the_page():
    with Trace() as trace, EchoServer(port=0) as server:
        clients = [EchoClient(*server.address).connect() for _ in range(6)]
        for client in [*clients, clients[1]]:
            client.send("oi")
        for client in clients:
            client.close()
    events = trace.events()
    echoes = [event for event in events if event.sends]
    until_the_last = events[: events.index(echoes[-1]) + 1]
    kept = {event.connection for event in _newest(until_the_last)} - {None}
    assert kept == {echoes[-1].connection, echoes[-3].connection}
    assert _newest([]) == []
