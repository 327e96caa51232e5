"""As lições: seguem o tutorial e a forma combinada. Como executam, está em test_lesson_*."""

import ast
import json
import os
import re
import subprocess
import sys
import unicodedata

import pytest

from tests.common import ROOT, TIMEOUT
from tests.conftest import need
from tests.lessons import (
    GLOSSARY,
    LESSON,
    LESSONS,
    PAGE,
    PAGES,
    drawings,
    lesson,
    read,
    text,
)

# Cada passo do tutorial, em ordem: a lição e o que nela o mostra.
STEPS = [
    ("01", r"TCP\*\*.*orientado à conexão; garante entrega, ordem e integridade"),
    ("01", r"Socket:\*\* interface de comunicação entre processos"),
    ("01", r"Servidor:\*\* espera conexões, recebe mensagens, envia respostas"),
    ("01", r"Cliente:\*\* inicia a conexão com o servidor, envia mensagens, recebe respostas"),
    ("01", r"dois processos distintos.*mesma máquina ou em máquinas diferentes"),
    ("02", r"> `ipconfig`"),
    ("02", r"> `netstat -an`"),
    ("03", r"> `import socket`"),
    ("03", r"> `socket\.socket\(socket\.AF_INET, socket\.SOCK_STREAM\)`"),
    ("03", r"> `s\.bind\(\('192\.168\.0\.12', 61840\)\)`"),
    ("03", r"> `s\.listen\(\)`"),
    ("03", r"> `conn, addr = s\.accept\(\)`"),
    ("03", r"> `data = conn\.recv\(1024\)`"),
    ("03", r"> `conn\.sendall\(data\)`"),
    ("03", r"> Crie o servidor em um arquivo `\.py`"),
    ("04", r"> `socket\.socket\(socket\.AF_INET, socket\.SOCK_STREAM\)`"),
    ("04", r"> `s\.connect\(\('192\.168\.0\.12', 61840\)\)`"),
    ("04", r"> `s\.sendall\(mensagem\.encode\(\)\)`"),
    ("04", r"> `dados = s\.recv\(1024\)`"),
    ("04", r"> `dados\.decode\(\)`"),
    ("04", r"> Crie o cliente em um arquivo `\.py`"),
    ("05", r"> Abra dois prompts de comando"),
    ("05", r"> `python servidor\.py`"),
    ("05", r"> `python cliente\.py`"),
    ("05", r"> Digite mensagens no prompt do cliente"),
    ("05", r"Veja as mensagens ecoadas pelo servidor"),
    ("05", r"> Digite `sair` no prompt do cliente para encerrar o loop e fechar a conexão"),
]
# E as mesmas chamadas em células de código, na ordem em que a lição as executa.
CALLS = {
    "02": [r"ipconfig", r"!netstat -an"],
    "03": [
        r"import socket",
        r"socket\.socket\(socket\.AF_INET, socket\.SOCK_STREAM\)",
        r"s\.bind\(",
        r"s\.listen\(\)",
        r"conn, addr = s\.accept\(\)",
        r"conn\.recv\(1024\)",
        r"conn\.sendall\(dados\)",
    ],
    "04": [
        r"import socket",
        r"socket\.socket\(socket\.AF_INET, socket\.SOCK_STREAM\)",
        r"s\.connect\(",
        r"s\.sendall\(mensagem\.encode\(\)\)",
        r"dados = s\.recv\(1024\)",
        r"dados\.decode\(\)",
    ],
    "06": [r"servidor\.py", r"s\.bind", r"s\.listen", r"cliente\.py", r"s\.connect", r"Popen"],
    "05": [
        r"threading\.Thread\(target=servir",
        r"EchoServer\(",
        r"ClientPanel\(",
        r"servidor\.py",
        r"cliente\.py",
    ],
}


def in_order(patterns, content):
    """Diz quais padrões faltam em `content`, procurando cada um depois do anterior."""
    position, missing = 0, []
    for pattern in patterns:
        if found := re.compile(pattern, re.DOTALL).search(content, position):
            position = found.end()
        else:
            missing.append(pattern)
    return missing


def test_every_step_of_the_tutorial_is_in_the_lessons_in_its_order():
    for number in ("01", "02", "03", "04", "05"):
        patterns = [pattern for step, pattern in STEPS if step == number]
        assert in_order(patterns, text(lesson(number), "markdown")) == []


@pytest.mark.parametrize("number", CALLS)
def test_every_call_of_the_tutorial_is_executed_in_its_order(number):
    assert in_order(CALLS[number], text(lesson(number), "code")) == []


@LESSON
def test_lesson_has_the_agreed_shape(path):
    content = text(path, "markdown")
    for part in ("Ao final desta lição", "Tempo:", "Precisa de:", "Preveja", "<details>"):
        assert part in content, part
    for part in ("Quebre", "Conserte", "Observe", "Depuração", "Para lembrar", "Glossário"):
        assert part.lower() in content.lower(), part
    words = len(re.sub(r"<[^>]+>|[|#>*`-]+", " ", content).split())
    assert 900 <= words <= 1600, words
    exercises = content.count("## Exercício")
    assert 3 <= exercises <= 5 or path.name[:2] in ("00", "01"), exercises
    assert re.search(r"## Depuração.*?^\|.+\| o que faço \|$", content, re.DOTALL | re.MULTILINE)
    predictions = re.findall(r"\*\*Preveja\b", content)
    assert len(predictions) >= 3, predictions


# A lição 00 diz o que é prever; a velocidade, só a máquina de cada um responde.
UNANSWERED = ("00-04", "00-26", "09-36")


@LESSON
def test_every_prediction_has_its_answer_folded_before_the_next_cell(path):
    for cell in (cell for cell in read(path).cells if cell.cell_type == "markdown"):
        for question in cell.source.split("**Preveja")[1:] * (cell.id not in UNANSWERED):
            assert "<details>" in question, (cell.id, question)


# Uma alternativa: fechada, o que se escolhe; aberta, o que ela responde.
CHOICE = r"""^<details><summary>([a-d])\) .+</summary>

\*\*(Certo|Errado)\.\*\* (.+)

</details>$"""


@LESSON
def test_self_test_answers_every_choice(path):
    """Duas ou três perguntas; cada alternativa, aberta, diz se está certa e por quê."""
    rest = text(path, "markdown").partition("## Autoteste\n")[2]
    rest, remember, _ = rest.partition("## Para lembrar")
    assert remember, "o autoteste vem antes de “Para lembrar”"
    questions = re.split(r"^\*\*\d\.\*\* ", rest, flags=re.MULTILINE)
    assert 2 <= len(questions[1:]) <= 3
    right = []
    for question in questions[1:]:
        choices = re.findall(CHOICE, question, re.MULTILINE)
        letters = "".join(letter for letter, _, _ in choices)
        assert letters in ("ab", "abc", "abcd") and question.count("<details>") == len(letters)
        assert all(len(why) > 15 for _, _, why in choices)
        (correct,) = [letter for letter, verdict, _ in choices if verdict == "Certo"]
        right.append(correct)
    assert len(set(right)) > 1, "a resposta certa está sempre no mesmo lugar"


def terms(path):
    """Os termos que uma lição define no seu glossário."""
    content = text(path, "markdown").partition("## Glossário")[2]
    return [plain(term) for term in re.findall(r"^- \*\*(.+?)\*\*:", content, re.MULTILINE)]


def plain(term):
    """O termo sem as marcas do markdown."""
    return re.sub(r"[`*]", "", term)


def without_accents(term):
    return unicodedata.normalize("NFD", term).encode("ascii", "ignore").decode().casefold()


def glossary():
    """Cada termo do glossário e as lições a que leva, na ordem da página."""
    entries = re.split(r"^### ", text(GLOSSARY, "markdown"), flags=re.MULTILINE)[1:]
    return {
        plain(entry.partition("\n")[0]): re.findall(r"\]\((\d.*?\.ipynb)\)", entry)
        for entry in entries
    }


def test_glossary_has_every_term_and_leads_first_to_the_lesson_that_presents_it():
    defined = {}
    for path in LESSONS:
        for term in terms(path):
            defined.setdefault(term, []).append(path.name)
    entries = glossary()
    assert set(entries) == set(defined)
    for term, lessons in entries.items():
        assert lessons[:1] == defined[term][:1], term
        assert set(lessons) <= set(defined[term]), term


def test_glossary_is_in_alphabetical_order_under_its_letters():
    letter, last = "", ""
    for level, title in re.findall(r"^(##+) (.+)$", text(GLOSSARY, "markdown"), re.MULTILINE):
        key = without_accents(plain(title))
        if level == "##":
            letter = key[0]
        else:
            assert last <= key, f"{title}: fora da ordem"
            assert key[0] == letter, f"{title}: sob a letra {letter}"
            last = key


@LESSON
def test_every_lesson_leads_to_the_glossary(path):
    assert "Todos os termos: [glossário](glossario.ipynb)." in text(path, "markdown")
    assert terms(path), "nenhum termo no glossário da lição"


@PAGE
def test_cells_are_short_and_come_after_a_short_text(path):
    before = ""
    for cell in read(path).cells:
        words = len(re.sub(r"<[^>]+>|[|#>*`-]+", " ", cell.source).split())
        if cell.cell_type == "markdown":
            assert words <= 95, (cell.id, words)
        else:
            whole_program = cell.source.startswith("%%writefile")
            assert whole_program or len(cell.source.splitlines()) <= 10, cell.id
            assert before == "markdown", f"{cell.id}: falta o texto antes"
        before = cell.cell_type


@PAGE
def test_notebook_is_executed_and_clean(path):
    raw = json.loads(path.read_text(encoding="utf-8"))
    metadata = {"kernelspec", "language_info"}
    if any(cell["cell_type"] == "code" for cell in raw["cells"]):
        metadata.add("echo_lib")
        assert raw["metadata"]["echo_lib"] == {"example_outputs": True}  # somem quando se abre
    assert set(raw["metadata"]) == metadata
    assert raw["metadata"]["language_info"] == {"name": "python"}
    cells = raw["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    counts = [cell["execution_count"] for cell in cells if cell["cell_type"] == "code"]
    assert counts == list(range(1, len(counts) + 1))
    for cell in cells:
        assert set(cell["metadata"]) <= {"tags"}
        tags = set(cell["metadata"].get("tags", []))
        assert tags <= {"raises-exception", "nbval-ignore-output"}
        outputs = cell.get("outputs", [])
        # Sem kernel, o JupyterLab daria erro em vez de mostrar o retrato do painel.
        assert not any("widget-view" in mime for o in outputs for mime in o.get("data", {}))
        errors = [o for o in outputs if o["output_type"] == "error"]
        assert bool(errors) == ("raises-exception" in tags), cell["id"]


# O que cada desenho da lição deve mostrar, a quem a lê sem kernel.
DRAWN = {
    "01": [r"ninguém escuta.*SYN.*RST ✗", r"SYN \+ ACK.*conexão pronta.*4 bytes “olá”.*FIN"],
    "03": [
        r"bind",
        r"RST ✗",
        r"listen.*SYN \+ ACK",
        r"3 de 7 bytes “soc”.*4 de 7 bytes “kets”.*FIN",
    ],
    "04": [
        r"listen",
        r"SYN \+ ACK.*conexão pronta",
        r"19 bytes “olá, ção 🗣️”",
        r"8 bytes “de volta”",
    ],
    "05": [
        r"listen",
        r"“olá, thread”",
        r"TimeoutError.*accept\(\) conn 3",
        r"accept.*accept.*“e eu\?”",
    ],
}


DRAWN["08"] = [
    r"recv\(P\) 7 bytes.*2 bytes “oi” 5 bytes “tchau”",
    r"952 bytes.*952 de P bytes",
    r"recv\(4\) 4 bytes.*recv\(28\) 28 bytes.*5 de 41 bytes “ção”",
]
DRAWN["10"] = [
    r"na fila, sem accept.*3 bytes entregues ao sistema.*o prazo acabou",
    r"conn 1: close\(\).*\(fim\) cliente 1: close\(\).*FIN FIN",
    r"ConnectionResetError.*RST",
    r"2 bytes entregues ao sistema.*BrokenPipeError",
    r"shutdown\(SHUT_WR\).*\(fim\).*“pergunta” FIN 8 bytes “resposta”",
]
DRAWN["09"] = [
    r"5 bytes entregues.*TimeoutError: o prazo acabou",
    r"“e eu\?”.*“e eu\?”.*“agora eu, ção”.*“agora eu, ção”",
    r"send\(.*“e eu\?”.*“e eu\?”.*“agora eu, ção”.*“agora eu, ção”",
    r"BlockingIOError.*recv\(262144\).*“e eu\?”.*“e eu\?”.*“agora eu, ção”.*“agora eu, ção”",
]

DRAWN["11"] = [
    r"cliente.*servidor.*SYN seq=0.*SYN \+ ACK seq=0 ack=1.*“olá” seq=1.*“tchau” seq=5.*FIN seq=10",
    r"não chegou.*retransmissão.*“dois” seq=3 ✗.*“dois” seq=3, de novo",
    r"“BBBB…” seq=101 ✗.*(ACK ack=101\s+){4}.*seq=101, de novo.*ACK ack=501",
    r"127\.0\.0\.1:P.*SYN seq=0.*“olá” seq=1.*FIN",
    r"SYN seq=0 ✗.*SYN seq=0, de novo ✗.*SYN seq=0, de novo",  # estas, dos exercícios por fazer
    r"ACK ack=3 ✗.*“oi” seq=1, de novo",
    r"servidor: FIN seq=3.*cliente: FIN seq=1",
]


@pytest.mark.parametrize("number", DRAWN)
def test_drawings_are_there_for_who_reads_without_a_kernel(number):
    saved = drawings(read(lesson(number)))
    assert len(saved) == len(DRAWN[number])
    for pattern, drawn in zip(DRAWN[number], saved, strict=True):
        assert re.search(pattern, drawn, re.DOTALL), drawn


@PAGE
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)]+)\)", text(path, "markdown")):
        assert (path.parent / target).exists(), target
    for target in re.findall(r"%load (\S+?\.py)", text(path, "markdown")):
        assert (path.parent / target).exists(), target


def test_nothing_needs_the_solutions():
    """Quem ensina pode retirar a pasta: só o texto das lições a menciona."""
    for path in PAGES:
        assert "solucoes" not in text(path, "code")
    for path in (ROOT / "echo_lib").rglob("*.py"):
        assert "solucoes" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("number", "name"),
    [
        ("06", "servidor.py"),
        ("06", "cliente.py"),
        ("09", "servidor_threads.py"),
        ("09", "servidor_selectors.py"),
        ("09", "servidor_asyncio.py"),
    ],
)
def test_program_written_in_the_lesson_is_the_one_that_comes_with_the_kit(number, name):
    cells = read(lesson(number)).cells
    (cell,) = [c for c in cells if c.source.startswith(f"%%writefile {name}\n")]
    shipped = (ROOT / "notebooks" / name).read_text(encoding="utf-8")
    assert cell.source.partition("\n")[2] + "\n" == shipped


@pytest.mark.skipif(os.name == "nt", reason="hunspell é do Linux e do macOS")
def test_spelling():
    need("hunspell")
    accepted = set((ROOT / "tests" / "palavras.txt").read_text(encoding="utf-8").split())
    content = "\n".join(text(path, "markdown") for path in PAGES)
    for name in ("README.md", "notebooks/professor/plano_de_aula.md"):
        content += "\n" + (ROOT / name).read_text(encoding="utf-8")
    not_prose = r"```.*?```|`[^`]*`|<code>.*?</code>|<[^>]*>|\]\([^)]*\)|https?://\S+"
    prose = re.sub(not_prose, " ", content, flags=re.DOTALL)
    done = subprocess.run(
        ["hunspell", "-d", "pt_BR", "-i", "utf-8", "-l"],
        input=prose,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=True,
    )
    assert set(done.stdout.split()) - accepted == set()


@PAGE
def test_no_lesson_takes_the_name_of_a_module(path):
    """Quem depois esquece o import veria «'dict' object has no attribute…», e não NameError."""
    cells = [cell.source for cell in read(path).cells if cell.cell_type == "code"]
    plain = [source for source in cells if not re.search(r"^[%!]|= !", source, re.MULTILINE)]
    nodes = [node for source in plain for node in ast.walk(ast.parse(source))]
    taken = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    assert not taken & sys.stdlib_module_names
