"""%load_ext echo_lib num kernel de verdade: a explicação sob o traceback dos erros do assunto."""

import re

import pytest

OTHERS = {
    "arquivo": "open('não existe.txt')",
    "divisão": "1 / 0",
    "tipo": "len(5)",
    "função": "def f():\n    return int('x')\nf()",
    "sintaxe": "print(",
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


@pytest.mark.parametrize("name", OTHERS)
def test_errors_of_other_subjects_are_shown_as_always(kernel, before, name):
    assert before[name] == shown(kernel, OTHERS[name]) and NOTE not in before[name]


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


def test_loading_again_prints_nothing_and_explains_once(kernel, before):
    assert kernel.run("%load_ext echo_lib") == kernel.run("%reload_ext echo_lib") == ""
    assert kernel.run("s.connect(('127.0.0.1', 1))").count(NOTE) == 1
    assert kernel.run("s.close(); print('fim')") == "fim\n"
