"""kit.py como quem o recebe o usa: um clone novo, numa pasta com espaços e acentos."""

import ast
import base64
import contextlib
import json
import os
import re
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import psutil
import pytest

from tests.common import TIMEOUT
from tests.conftest import need

ROOT = Path(__file__).parents[1]
INSTALL = 400  # segundos: o prazo da única instalação completa
PARTS = ("kit.py", "pyproject.toml", "constraints.txt", "echo_lib", "share")
FIRST = "notebooks/00_comece_aqui.ipynb"
ADDRESS = r"(http://127\.0\.0\.1:\d+/)lab/tree/00_comece_aqui\.ipynb\?token=(\w+)"

pexpect = pytest.importorskip("pexpect", reason="não há pexpect para Windows")
pytestmark = pytest.mark.timeout(INSTALL)


def clone(folder: Path) -> Path:
    """Uma cópia do kit, como num clone novo, em `folder`."""
    tree = folder / "Área de Trabalho" / "José"
    for part in (*PARTS, FIRST):
        (tree / part).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, tree / part)
    return tree


def variables(tree: Path, **more: str) -> dict[str, str]:
    """O ambiente de uma pessoa nova, menos os pacotes que o pip já baixou."""
    cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "PYTHON"))}
    return kept | {"HOME": str(tree.parent), "XDG_CACHE_HOME": cache} | more


def registry(url: str) -> dict[str, str]:
    """As variáveis de uma máquina que só conhece este repositório de pacotes."""
    others = {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": ""}
    return others | {"PIP_INDEX_URL": url, "PIP_NO_CACHE_DIR": "1", "PIP_RETRIES": "0"}


OFFLINE = registry("http://127.0.0.1:9/")  # a porta 9 recusa a conexão


def run(tree, *args, encoding="utf-8", **more) -> subprocess.CompletedProcess[str]:
    """Roda kit.py até o fim, de outra pasta."""
    command = [sys.executable, str(tree / "kit.py"), *args]
    options = {"capture_output": True, "encoding": encoding, "timeout": INSTALL}
    return subprocess.run(command, cwd="/", env=variables(tree, **more), **options)


def close(kit: pexpect.spawn) -> None:
    """Encerra o programa, que antes apaga o que criou, e fecha o terminal dele."""
    if kit.isalive():
        kit.kill(signal.SIGTERM)
        with contextlib.suppress(pexpect.TIMEOUT):
            kit.expect(pexpect.EOF, timeout=TIMEOUT)
    with contextlib.suppress(pexpect.ExceptionPexpect):
        return kit.close(force=True)
    kit.wait()  # o pexpect espera 0,1 s depois do SIGKILL, e às vezes é pouco
    kit.close()


@pytest.fixture
def start():
    """Uma função que começa um kit.py num terminal e o encerra no fim do teste."""
    with contextlib.ExitStack() as stack:

        def start(tree: Path, *args: str, **more: str) -> pexpect.spawn:
            options = {"encoding": "utf-8", "timeout": INSTALL, "cwd": "/"}
            command = [str(tree / "kit.py"), *args]
            kit = pexpect.spawn(sys.executable, command, env=variables(tree, **more), **options)
            stack.callback(close, kit)
            return kit

        yield start


def open_lesson(kit: pexpect.spawn) -> str:
    """Espera o endereço da lição, sozinho numa linha."""
    kit.expect(rf"\n({ADDRESS})\r\n")
    return kit.match[1]


def children(kit: pexpect.spawn) -> list[psutil.Process]:
    """Os processos que este kit.py começou."""
    return psutil.Process(kit.pid).children(recursive=True)


def end(kit: pexpect.spawn) -> str:
    """Espera o fim do programa e devolve o que ele ainda mostrou."""
    kit.expect(pexpect.EOF, timeout=TIMEOUT)
    kit.wait()  # o terminal fecha um instante antes de o programa acabar
    kit.close()
    return kit.before


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Um clone em que `aula` já rodou uma vez: a única instalação completa dos testes."""
    tree = clone(tmp_path_factory.mktemp("kit"))
    done = run(tree, "aula", "--version")
    assert done.returncode == 0, done.stderr
    assert "de 1 a 5 minutos" in done.stdout, done.stderr
    assert (tree / ".venv/echo_lib.json").exists(), done.stderr
    return tree


@pytest.fixture
def small(tmp_path):
    """Um clone ainda por instalar."""
    return clone(tmp_path)


@pytest.fixture
def silent_registry():
    """Um repositório de pacotes que aceita a conexão e nunca responde."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(INSTALL)
        yield server


@pytest.fixture
def stuck(small, start, silent_registry):
    """Um kit.py parado no meio da instalação, à espera do repositório."""
    port = silent_registry.getsockname()[1]
    kit = start(small, "aula", **registry(f"http://127.0.0.1:{port}/"))
    with silent_registry.accept()[0]:
        kit.expect("Instalando o kit.*\r\n")
        yield kit


def ask(address: str, path: str, body: bytes | None = None) -> dict:
    """O que o JupyterLab responde a um pedido de sua API (com `body`, um POST)."""
    base, token = re.fullmatch(ADDRESS, address).groups()
    request = urllib.request.Request(base + path, body, {"Authorization": f"token {token}"})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        return json.load(answer)


def test_the_address_opens_the_first_lesson_in_portuguese(installed, start):
    address = open_lesson(start(installed, "aula", "--no-browser", "--port", "0"))
    with urllib.request.urlopen(address, timeout=TIMEOUT) as page:
        assert page.status == 200
    assert ask(address, "api/contents/00_comece_aqui.ipynb?content=0")["type"] == "notebook"
    language = ask(address, "lab/api/settings/@jupyterlab/translation-extension:plugin")
    assert language["schema"]["properties"]["locale"]["default"] == "pt_BR"


def test_ctrl_c_ends_jupyterlab_and_the_kernel_of_the_kit(installed, start):
    kit = start(installed, "aula", "--no-browser", "--port=0")
    address = open_lesson(kit)
    assert list(ask(address, "api/kernelspecs")["kernelspecs"]) == ["python3"]
    ask(address, "api/kernels", b"{}")
    family = children(kit)
    kernels = [p.cmdline()[0] for p in family if "ipykernel_launcher" in p.cmdline()]
    assert kernels == [str(installed / ".venv/bin/python")]
    kit.sendintr()
    assert end(kit).strip("\r\n") == "^C"
    assert kit.exitstatus == 130
    assert psutil.wait_procs(family, timeout=TIMEOUT)[1] == []


def test_ctrl_c_ends_a_kernel_that_does_not_answer(installed, start):
    kit = start(installed, "aula", "--no-browser", "--port=0")
    ask(open_lesson(kit), "api/kernels", b"{}")
    family = children(kit)
    next(p for p in family if "ipykernel_launcher" in p.cmdline()).suspend()
    kit.sendintr()
    end(kit)
    assert kit.exitstatus == 130
    assert psutil.wait_procs(family, timeout=TIMEOUT)[1] == []
    assert list((installed / ".venv").glob("tmp*")) == []


def test_ending_the_kit_alone_ends_jupyterlab_too(installed, start, tmp_path):
    npm = tmp_path / "npm"  # o jupyter_lsp o chamaria, e o npm pode ficar à espera da rede
    npm.write_text(f"#!/bin/sh\nexec sleep {INSTALL}\n")
    npm.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    kit = start(installed, "aula", "--no-browser", "--port", "0", PATH=path)
    open_lesson(kit)
    family = children(kit)
    kit.kill(signal.SIGTERM)
    assert end(kit) == "" and kit.exitstatus == 128 + signal.SIGTERM
    assert psutil.wait_procs(family, timeout=TIMEOUT)[1] == []
    assert list((installed / ".venv").glob("tmp*")) == []


def test_the_address_waits_for_an_answer_not_only_for_a_connection(tmp_path):
    code = """if 1:
        import json, pathlib, socket, sys
        here = pathlib.Path(sys.argv[1])
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            told = {"url": f"http://127.0.0.1:{port}/", "port": port, "token": "a"}
            (here / "jpserver-1.json").write_text(json.dumps(told))
            while not (here / "respondeu").exists():
                with server.accept()[0] as client:
                    if client.recv(1024):
                        (here / "respondeu").touch()
                        client.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
    """
    address = runpy.run_path(str(ROOT / "kit.py"))["address"]
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) as child:
        try:
            assert address(child, str(tmp_path)).endswith("?token=a")
            assert (tmp_path / "respondeu").exists()
        finally:
            child.kill()


def test_a_second_start_installs_nothing(installed, record_property):
    written = [installed / ".venv/echo_lib.json", *(installed / ".venv/etc/jupyter").glob("*")]
    before = [path.stat().st_mtime_ns for path in written]
    began = time.monotonic()
    done = run(installed, "aula", "--version", **OFFLINE)
    record_property("segundos", time.monotonic() - began)
    assert done.returncode == 0 and "Instalando" not in done.stdout
    assert [path.stat().st_mtime_ns for path in written] == before
    assert {".zshrc", "bashrc", "jupyter_server_config.json"} <= {path.name for path in written}


def test_exported_lesson_keeps_the_still_drawings(installed, start, tmp_path):
    end(start(installed, "aula", "--no-browser", "--port=0", "--version"))
    widget = {"version_major": 2, "version_minor": 0, "model_id": "a" * 32}
    drawing = "<svg><text>o desenho parado</text></svg>"
    data = {"application/vnd.jupyter.widget-view+json": widget, "image/svg+xml": drawing}
    output = nbformat.v4.new_output("display_data", data)
    cell = nbformat.v4.new_code_cell("", outputs=[output])
    state = {widget["model_id"]: {"model_name": "A", "model_module": "b", "state": {}}}
    widgets = {"application/vnd.jupyter.widget-state+json": {"state": state}}
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": widgets})
    nbformat.write(notebook, tmp_path / "lição.ipynb")
    command = [str(installed / ".venv/bin/python"), "-m", "nbconvert", "--to", "html", "--stdout"]
    exported = subprocess.check_output(
        [*command, str(tmp_path / "lição.ipynb")],
        env=variables(installed, JUPYTER_CONFIG_DIR=str(installed / ".venv/etc/jupyter")),
        encoding="utf-8",
    )
    assert base64.b64encode(drawing.encode()).decode() in exported


def test_what_was_installed_are_the_tested_versions(installed):
    command = [str(installed / ".venv/bin/python"), "-m", "pip", "freeze", "--all"]
    found = subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    tested = {line.partition(";")[0] for line in lines}
    others = ("echo-lib", "setuptools")  # o segundo é o que o Python 3.11 põe em toda venv
    versions = {line for line in found.splitlines() if not line.startswith(others)}
    assert versions <= tested and any(line.startswith("pip==") for line in versions)


def test_a_change_in_the_package_is_installed_without_the_network(installed):
    with (installed / "echo_lib/__init__.py").open("a", encoding="utf-8") as file:
        file.write("CHANGED = True\n")
    done = run(installed, "aula", "--version", **OFFLINE)
    assert done.returncode == 0 and "alguns segundos" in done.stdout
    show = "import echo_lib; print(echo_lib.CHANGED, echo_lib.__file__)"
    command = [str(installed / ".venv/bin/python"), "-c", show]
    options = {"encoding": "utf-8", "check": True, "cwd": "/", "env": variables(installed)}
    output = subprocess.run(command, capture_output=True, **options)
    assert output.stdout.startswith(f"True {installed / '.venv'}")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("pyproject.toml", "psutil>=7", "psutil>=7,<7"),
        ("constraints.txt", "psutil==", "psutil==99."),
    ],
)
def test_a_change_in_the_dependencies_is_noticed(installed, name, old, new):
    stamp, file = installed / ".venv/echo_lib.json", installed / name
    before, text = stamp.read_bytes(), file.read_text(encoding="utf-8")
    file.write_text(text.replace(old, new), encoding="utf-8")
    done = run(installed, "aula", "--version", **OFFLINE)
    file.write_text(text, encoding="utf-8")
    assert done.returncode == 1 and "Instalando" in done.stdout
    assert stamp.read_bytes() == before, "o que estava completo tem de continuar completo"


def test_a_kit_that_was_not_built_is_not_taken_for_installed(installed):
    project = installed / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    project.write_text(text.replace("hatchling.build", "ninguém.build"), encoding="utf-8")
    for how_long in ("de 1 a 5 minutos", "alguns segundos"):
        done = run(installed, "aula", "--version", **OFFLINE)
        assert done.returncode == 1 and how_long in done.stdout
    project.write_text(text, encoding="utf-8")
    assert run(installed, "aula", "--version", **OFFLINE).returncode == 0


def test_a_change_that_asks_for_nothing_new_needs_no_network(installed):
    with (installed / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write("# mudou\n")
    done = run(installed, "aula", "--version", **OFFLINE)
    assert done.returncode == 0 and "de 1 a 5 minutos" in done.stdout
    assert "Instalando" not in run(installed, "aula", "--version", **OFFLINE).stdout


def test_tests_get_their_extra_and_their_arguments(installed, tmp_path):
    stamp = installed / ".venv/echo_lib.json"
    before = stamp.read_text()
    done = run(installed, "testes", **OFFLINE)
    assert done.returncode == 1 and "Instalando" in done.stdout
    (tmp_path / "pytest.py").write_text("import os, sys; print(os.getcwd(), sys.argv[1:])")
    stamp.write_text(before.replace("false", "true"))
    done = run(installed, "testes", "-k", "cliente", PYTHONPATH=str(tmp_path))
    stamp.write_text(before)
    assert done.stdout == f"{installed} ['-k', 'cliente']\n"


def test_a_failed_start_of_jupyterlab_is_told_with_its_exit_code(installed):
    done = run(installed, "aula", "--ServerApp.root_dir=/nada/aqui")
    assert done.returncode == 1
    assert re.search(r"O JupyterLab terminou sem abrir, com o código [1-9]", done.stderr)


def in_terminal(command, asked):
    """O que diz um comando pedido a um shell num terminal."""
    import pty  # só há em POSIX

    terminal, inside = pty.openpty()
    with os.fdopen(terminal), os.fdopen(inside) as stdin:
        piped = {"stdin": stdin, "stdout": subprocess.PIPE}
        asking = [*command, "-i", "-c", asked]
        return subprocess.run(asking, **piped, text=True, timeout=TIMEOUT).stdout


@pytest.mark.parametrize(
    ("shell", "before"), [("bash", ""), ("zsh", ""), ("zsh", "ZDOTDIR=$HOME/.config/zsh")]
)
def test_terminal_has_the_python_of_the_kit_before_the_one_of_the_profile(
    shell, before, tmp_path, monkeypatch
):
    home, folder = tmp_path / "José da Silva", tmp_path / "etc"
    profile = home / ".config/zsh" if before else home
    for new in (profile, folder):
        new.mkdir(parents=True)
    (home / ".zshenv").write_text(f"{before}\n")
    (profile / f".{shell}rc").write_text(f"PATH={tmp_path}/falso:$PATH; minha=variável\n")
    for name, value in {"SHELL": need(shell), "HOME": str(home), "ZDOTDIR": ""}.items():
        monkeypatch.setenv(name, value)
    kit = runpy.run_path(str(ROOT / "kit.py"))
    kept = profile if shell == "zsh" else ""  # o do zsh volta a ser o da pessoa
    told = in_terminal(kit["shell_command"](folder), 'echo "$minha|${PATH%%:*}|$ZDOTDIR"')
    assert told == f"variável|{kit['PYTHON'].parent}|{kept}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", ""])  # sem $SHELL, o sh
def test_terminal_knows_that_it_is_utf8(shell, tmp_path, monkeypatch):
    monkeypatch.delenv("SHELL", raising=False)
    if shell:
        monkeypatch.setenv("SHELL", need(shell))
    monkeypatch.setenv("HOME", str(tmp_path))
    kit = runpy.run_path(str(ROOT / "kit.py"))
    assert " iutf8" in in_terminal(kit["shell_command"](tmp_path), "stty -a")


def test_an_installation_stopped_by_ctrl_c_leaves_nothing(small, stuck):
    stuck.sendintr()
    assert end(stuck).strip("\r\n") == "^C"
    assert stuck.exitstatus == 130
    assert not (small / ".venv").exists()


def test_a_killed_installation_starts_over_and_without_a_registry_says_what_to_do(small, stuck):
    os.killpg(stuck.pid, signal.SIGKILL)
    end(stuck)
    assert (small / ".venv").exists()
    done = run(small, "aula", **OFFLINE)
    assert "de 1 a 5 minutos" in done.stdout and done.returncode == 1
    for words in ("Confira a internet", "HTTPS_PROXY", "pip download", "ERROR"):
        assert words in done.stderr
    assert not (small / ".venv").exists()


def test_packages_brought_in_a_folder_are_installed_without_a_registry(small):
    project = small / "pyproject.toml"  # só o começo da lista: o caminho é o mesmo, e é curto
    project.write_text(
        re.sub(r'"anywidget.*?\n\]', '"psutil>=7"]', project.read_text(), flags=re.S)
    )
    download = r"-m pip download -d pacotes -c constraints.txt hatchling pip \."
    (command,) = re.findall(f"python3 ({download})", (small / "kit.py").read_text())
    options = {"check": True, "stdout": subprocess.PIPE, "timeout": INSTALL}
    subprocess.run([sys.executable, *command.split()], cwd=small, **options)
    run(small, "aula", **OFFLINE)  # sem o JupyterLab, não abre
    python = small / ".venv/bin/python"
    subprocess.run([python, "-c", "import echo_lib, psutil"], cwd="/", **options)
    assert json.loads((small / ".venv/echo_lib.json").read_text())["python"]


def test_packages_that_lack_something_are_told_apart_from_a_network_that_fails(tmp_path):
    explain = runpy.run_path(str(ROOT / "kit.py"))["explain"]
    said = "ERROR: No matching distribution found for scapy>=2.6"
    assert "Confira a internet" in explain(said)
    explain.__globals__["PACKAGES"] = tmp_path
    assert "apague-a para usar a internet" in explain(said)


def test_a_venv_of_somebody_else_is_left_alone(small):
    (small / ".venv").mkdir()
    (small / ".venv/meu.txt").write_text("meu")
    done = run(small, "aula")
    assert done.returncode == 1 and "não é do kit" in done.stderr
    assert (small / ".venv/meu.txt").read_text() == "meu"


def test_a_busy_port_is_named_with_a_free_one_before_anything_is_installed(small):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(small, "aula", "--port", str(port))
    assert done.returncode == 1 and f"A porta {port} está em uso" in done.stderr
    assert int(re.search(r"--port (\d+)", done.stderr)[1]) != port
    assert not (small / ".venv").exists()


@pytest.mark.parametrize("port", ["=abc", "=99999", ""])
def test_a_port_that_is_no_port_is_refused(small, port):
    done = run(small, "aula", f"--port{port}")
    assert done.returncode == 1
    assert (
        done.stderr == f"Esperava uma porta de 0 a 65535, recebi {port[1:] or '--port sozinho'}.\n"
    )


def test_kit_copied_alone_says_what_is_missing(tmp_path):
    alone = tmp_path / "Downloads"
    alone.mkdir()
    shutil.copy(ROOT / "kit.py", alone)
    done = run(alone, "aula")
    assert done.returncode == 1 and "Falta ao lado do kit.py: pyproject.toml" in done.stderr
    assert os.listdir(alone) == ["kit.py"]


@pytest.mark.parametrize(("args", "status"), [((), 0), (("-h",), 0), (("rodar",), 2)])
@pytest.mark.parametrize("encoding", ["ascii", "cp850", "cp1252"])
def test_usage_is_shown_in_portuguese_on_any_console(small, args, status, encoding):
    done = run(small, *args, encoding=encoding, PYTHONIOENCODING=encoding)
    assert done.returncode == status and done.stderr == ""
    assert "python3 kit.py aula" in done.stdout and "python3 kit.py testes" in done.stdout
    assert ("o comando rodar." in done.stdout) is (status == 2)


def test_an_old_python_can_read_the_file():
    ast.parse((ROOT / "kit.py").read_text(encoding="utf-8"), feature_version=(3, 6))


@pytest.mark.parametrize(
    ("stub", "words"),
    [
        ("sys.version_info = (3, 8, 10)", ["precisa do Python 3.11 ou mais novo"]),
        ("importlib.util.find_spec = lambda name: None", ["sudo apt install python3-venv"]),
    ],
)
def test_a_python_that_will_not_do_is_told_what_to_do(small, stub, words):
    run_kit = "runpy.run_path(sys.argv.pop(1), run_name='__main__')"
    code = f"import importlib.util, runpy, sys; {stub}; {run_kit}"
    command = [sys.executable, "-c", code, str(small / "kit.py"), "aula"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=TIMEOUT)
    assert done.returncode == 1
    assert all(word in done.stderr for word in words)
    assert not (small / ".venv").exists()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("ERROR: OSError: [Errno 28] No space left on device", "O disco está cheio"),
        ("[WinError 112] Espaço insuficiente no disco", "O disco está cheio"),
        ("[Errno 13] Permission denied: '/kit/.venv'", "Não posso gravar"),
        ("[WinError 5] Acesso negado: 'C:\\\\kit'", "Não posso gravar"),
        ("does not have Windows Long Path support enabled", "comprido demais"),
        ("Failed to establish a new connection: [Errno 111]", "Não consegui baixar"),
        ("ERROR: Failed building wheel for contourpy", "py -3.14 kit.py aula"),
        ("error: metadata-generation-failed", "py -3.14 kit.py aula"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED]", "troca o certificado"),
        ("ERROR: No matching distribution found for anywidget", "Não consegui baixar"),
        ("ERROR: algo nunca visto", "Mostre estas linhas"),
    ],
)
def test_each_error_gets_its_remedy_and_is_shown(error, words):
    text = runpy.run_path(str(ROOT / "kit.py"))["explain"](error)
    assert words in text and text.endswith(error)


def test_only_the_lines_that_tell_of_the_cause_are_shown():
    cause = "WARNING: Retrying after connection broken by 'NewConnectionError'"
    other = "ERROR: Cannot install pip because these versions have conflicting dependencies."
    text = runpy.run_path(str(ROOT / "kit.py"))["explain"](f"{cause}\n{other}")
    assert text.endswith(f"\n\n{cause}") and "Confira a internet" in text
