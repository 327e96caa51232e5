"""As lições: executam, repetem, seguem o tutorial e a forma combinada."""

import json
import os
import re
import socket
import subprocess
import sys
import time
import unicodedata

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient

from tests.conftest import ROOT, TIMEOUT, need

LESSONS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
LESSON = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
# Os de quem ensina são conferidos como as lições, menos na forma, que é outra.
NOTEBOOKS = [*LESSONS, ROOT / "notebooks" / "professor" / "painel.ipynb"]
NOTEBOOK = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
# O glossário só se lê: não há o que executar nele.
GLOSSARY = ROOT / "notebooks" / "glossario.ipynb"
PAGES = [*NOTEBOOKS, GLOSSARY]
PAGE = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
CELL_TIMEOUT = 30  # segundos por célula

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


def read(path):
    return nbformat.read(path, as_version=4)


def lesson(number):
    return next(path for path in LESSONS if path.name.startswith(number))


def text(path, kind):
    return "\n\n".join(c.source for c in read(path).cells if c.cell_type == kind)


def in_order(patterns, content):
    """Diz quais padrões faltam em `content`, procurando cada um depois do anterior."""
    position, missing = 0, []
    for pattern in patterns:
        if found := re.compile(pattern, re.DOTALL).search(content, position):
            position = found.end()
        else:
            missing.append(pattern)
    return missing


def run_nbval():
    command = [sys.executable, "-m", "pytest", "--nbval", "-p", "no:cacheprovider", "-q"]
    command += [f"--nbval-cell-timeout={CELL_TIMEOUT}", "--nbval-sanitize-with=tests/nbval.cfg"]
    done = subprocess.run(
        [*command, "-W", "ignore", "-o", "timeout=0", *map(str, NOTEBOOKS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    cells = sum(c.cell_type == "code" for path in NOTEBOOKS for c in read(path).cells)
    assert f"{cells} passed" in done.stdout


@pytest.mark.timeout(300)
def test_every_notebook_passes_nbval_and_again_while_another_program_holds_the_port():
    run_nbval()
    program = "import socket, sys; s = socket.create_server(('127.0.0.1', 61840)); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as holder:
        wait_for_the_port(holder)
        run_nbval()
        holder.stdin.close()
        assert holder.wait(TIMEOUT) == 0  # segurou a porta até o fim


def wait_for_the_port(holder):
    """Espera até que alguém atenda na 61840."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        assert holder.poll() is None, "a porta 61840 já estava com outro programa"
        try:
            return socket.create_connection(("127.0.0.1", 61840), TIMEOUT).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline


class Kernel:
    """Um kernel que executa células como o JupyterLab: com a identidade de cada uma."""

    def __init__(self):
        self.manager, self.client = start_new_kernel(cwd=str(ROOT / "notebooks"))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    def run(self, cell):
        """Executa a célula; devolve o nome do erro (ou "") e o traceback."""
        content = {"code": cell.source, "silent": False, "store_history": True}
        content |= {"user_expressions": {}, "allow_stdin": False, "stop_on_error": False}
        message = self.client.session.msg("execute_request", content)
        message["metadata"]["cellId"] = cell.id
        self.client.shell_channel.send(message)
        while True:
            reply = self.client.get_shell_msg(timeout=CELL_TIMEOUT)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                error = reply["content"]
                return error.get("ename", ""), "\n".join(error.get("traceback", []))


def explained(trace):
    return "O que aconteceu" in trace and "O que fazer" in trace


@NOTEBOOK
def test_each_cell_runs_twice(path):
    """A segunda vez dá certo, ou para com um erro explicado; nunca trava."""
    with Kernel() as kernel:
        for cell in read(path).cells:
            if cell.cell_type != "code":
                continue
            expected = "raises-exception" in cell.metadata.get("tags", [])
            name, trace = kernel.run(cell)
            assert not name or expected, trace
            name, trace = kernel.run(cell)
            assert not name or explained(trace), trace


@NOTEBOOK
def test_cells_in_reverse_order_never_hang_and_errors_are_explained(path):
    with Kernel() as kernel:
        kernel.run(nbformat.v4.new_code_cell("%load_ext echo_lib"))
        for cell in reversed(read(path).cells):
            if cell.cell_type == "code":
                name, trace = kernel.run(cell)
                assert not name or explained(trace), f"{cell.source}\n{trace}"


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
    assert re.search(r"\*\*Preveja\b.*?<details>", content, re.DOTALL)


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
    assert set(raw["metadata"]) == {"kernelspec", "language_info"}
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


def drawings(notebook):
    """O texto de cada desenho parado de um caderno, com as portas trocadas por P."""
    # O de uma tentativa que falhou sai diferente a cada vez; menos na 11: são conversas gravadas.
    changing = re.compile(r"\.exercise\(\"(?!11)")
    cells = [cell for cell in notebook.cells if not changing.search(cell.source)]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    found = [o.data["image/svg+xml"] for o in outputs if "image/svg+xml" in o.get("data", {})]
    texts = [" ".join(re.findall(r"<text[^>]*>([^<]*)", "".join(svg))) for svg in found]
    return [re.sub(r"\b\d{4,5}\b", "P", text) for text in texts]


@pytest.mark.parametrize("number", DRAWN)
def test_drawings_are_there_for_who_reads_without_a_kernel(number):
    saved = drawings(read(lesson(number)))
    assert len(saved) == len(DRAWN[number])
    for pattern, drawn in zip(DRAWN[number], saved, strict=True):
        assert re.search(pattern, drawn, re.DOTALL), drawn


@pytest.mark.parametrize("number", ["01", "03", "08"])
def test_saved_drawings_are_those_of_a_new_run(number):
    notebook = read(lesson(number))
    saved = drawings(notebook)
    client = NotebookClient(notebook, allow_errors=True, timeout=CELL_TIMEOUT)
    client.execute(cwd=ROOT / "notebooks")
    assert drawings(notebook) == saved


@PAGE
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)]+)\)", text(path, "markdown")):
        assert (path.parent / target).exists(), target
    for target in re.findall(r"%load (\S+?\.py)", text(path, "markdown")):
        assert (path.parent / target).exists(), target


SOLUTIONS = sorted((ROOT / "notebooks" / "solucoes").glob("*.py"))


@LESSON
def test_exercise_stubs_fail_with_a_hint_and_solutions_pass(path):
    """Na lição, a célula do exercício e a da verificação vêm logo depois do enunciado."""
    cells = read(path).cells
    titles = [re.search(r"^## Exercício (\d)", c.source, re.MULTILINE) for c in cells]
    found = {title[1]: place for place, title in enumerate(titles) if title}
    solutions = {s.stem[-1]: s for s in SOLUTIONS if s.name[:2] == path.name[:2]}
    assert set(found) == set(solutions)
    done = 0
    with Kernel() as kernel:
        for number, start in found.items():
            for cell in cells[done:start]:
                if cell.cell_type == "code" and "import" in cell.source:
                    kernel.run(cell)
            stub, check = [c for c in cells[start:] if c.cell_type == "code"][:2]
            solved = solution_cell(solutions[number], stub)
            answers = [feedback(kernel, cell, check) for cell in (stub, solved)]
            assert "✘" in answers[0] and len(answers[0]) > 30, answers
            assert "✔" in answers[1] and "✘" not in answers[1], answers
            done = start


def test_nothing_needs_the_solutions():
    """Quem ensina pode retirar a pasta: só o texto das lições a menciona."""
    for path in PAGES:
        assert "solucoes" not in text(path, "code")
    for path in (ROOT / "echo_lib").rglob("*.py"):
        assert "solucoes" not in path.read_text(encoding="utf-8")


def solution_cell(solution, stub):
    """A célula do exercício com a resposta; a que grava um programa continua a gravá-lo."""
    first = stub.source.splitlines()[0] + "\n"
    magic = first if first.startswith("%%writefile") else ""
    return nbformat.v4.new_code_cell(magic + solution.read_text(encoding="utf-8"))


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


def feedback(kernel, answer, check):
    """O que a verificação, na última linha da célula, responde a esta resposta."""
    assert kernel.run(answer)[0] == ""
    *before, last = check.source.splitlines()
    asked = nbformat.v4.new_code_cell("\n".join([*before, f"raise SystemExit(str({last}))"]))
    return kernel.run(asked)[1]


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
