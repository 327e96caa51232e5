"""Os ajustes e as fixtures dos testes, e o que fazer sem um programa."""

import atexit
import io
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.common import HERE, ROOT, TIMEOUT

# Como num conda ou num JupyterHub, sem o que o kit.py faz todo kernel da .venv dele carregar.
NO_EXTENSIONS = "--IPKernelApp.extensions=[]"

# Quem roda os testes em segundo plano (nohup, &) os deixa surdos a estes sinais, e surdos também
# os programas que eles abrem; os testes de Ctrl+C precisam deles como num terminal.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Nenhum teste cobra tempo: numa máquina ocupada, um exemplo que leva 10 ms leva 300.
settings.register_profile("kit", deadline=None)
settings.load_profile("kit")

# O progresso de quem estuda nesta máquina não é dos testes.
_PROGRESS = tempfile.mkdtemp()
atexit.register(shutil.rmtree, _PROGRESS, ignore_errors=True)
os.environ["ECHO_LIB_PROGRESSO"] = str(Path(_PROGRESS, "progresso.txt"))

# Com os testes em vários processos, cada arquivo fica inteiro num deles, menos os de _WAITING. Os
# do navegador ficam juntos, porque um Chromium e uma página do JupyterLab servem a todos; os que
# desenham numa página em branco não precisam do JupyterLab, e têm um Chromium só deles. Com os
# primeiros ficam os que usam os anúncios em 127.0.0.1, que não podem correr ao mesmo tempo que os
# de test_client_page.py.
_BROWSER = ["test_lessons.py", "test_sequence_page.py", "test_class_page.py", "test_server_page.py"]
_BROWSER += ["test_bytes_page.py", "test_self_test_page.py", "test_terminals.py"]
_BROWSER += ["test_client_page.py"]
_BLANK = ["test_drawing.py", "test_capture_page.py"]
_GROUPS = dict.fromkeys([*_BROWSER, "test_discovery.py", "test_client_panel.py"], "navegador")
_GROUPS |= dict.fromkeys(_BLANK, "página em branco")

# Os que quase só esperam, e nada guardam para o seguinte: cada teste vai ao processo que estiver
# livre.
_WAITING = ["test_checks_many.py", "test_answers.py", "test_checks_failures.py"]
_WAITING += ["test_checks_tutorial.py", "test_checks_stream.py", "test_attacks.py"]

# Os demorados vão na frente, para que no fim um processo não trabalhe sozinho; e os que mais
# esperam correm ao lado dos que ocupam o processador.
_LONG = [*_BROWSER, "test_lesson_cells.py", "test_nbval.py", "test_kit.py", *_WAITING, *_BLANK]
_LONG += ["test_lesson_exercises.py", "test_lan_failures.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: [*_LONG, item.path.name].index(item.path.name))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Distribui os testes por grupo de arquivos."""
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False  # a ordem é a de _LONG

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            name = Path(nodeid.partition("::")[0]).name
            return nodeid if name in _WAITING else _GROUPS.get(name, name)

    return ByGroup(config, log)


def need(tool: str) -> str:
    """O caminho de um programa, sem o qual não há teste."""
    path = shutil.which(tool)
    if path is None:
        give_up(f"falta o programa {tool}")
    return path


def new_network() -> list[str]:
    """O começo de um comando, que o roda numa rede sem placas; nem todo sistema o permite."""
    command = [need("unshare"), "--map-root-user", "--net"]
    if subprocess.run([*command, "true"], stderr=subprocess.DEVNULL).returncode:
        give_up("este sistema não deixa criar uma rede à parte")
    return command


def need_root() -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        give_up("só o root, no Linux, captura sem instalar nada")


def give_up(why: str) -> None:
    """Pula o teste; onde nada pode faltar, reprova-o."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(why)


def quiet_port() -> int:
    """Uma porta livre que o sistema não dá a quem não a pede: fechada, continua livre.

    Abaixo das que ele distribui por conta própria: de 32768 no Linux, de 49152 nos outros (RFC
    6335, seção 6). As distribuídas, outro teste pode tomar enquanto o servidor recomeça.
    """
    for port in random.sample(range(20_000, 32_000), 100):
        with suppress(OSError):
            socket.create_server((HERE, port)).close()
            return port
    raise OSError("cem portas ocupadas")


@pytest.fixture(scope="session")
def untranslated() -> str:
    """O que se diz aqui de um nome que não existe: com um DNS que responde, uma coisa; sem, outra.

    Fonte: RFC 6761, 6.4 (nenhum DNS conhece um nome em .invalid); getaddrinfo(3).
    """
    with pytest.raises(socket.gaierror) as caught:
        socket.getaddrinfo("eco.invalid", 1)
    unanswered = caught.value.errno == socket.EAI_AGAIN
    return "traduzido em endereço: ninguém respondeu" if unanswered else "encontrado"


@pytest.fixture
def terminal() -> Iterator[Callable[..., Any]]:
    """Roda programas Python num pseudoterminal, como os de quem digita os comandos."""
    pexpect = pytest.importorskip("pexpect")
    children = []

    def run(*arguments: object, program: str = sys.executable) -> Any:
        child = pexpect.spawn(
            program, [*map(str, arguments)], timeout=TIMEOUT, encoding="utf-8", cwd=ROOT
        )
        child.logfile_read = io.StringIO()  # tudo o que chegou ao terminal
        children.append(child)
        return child

    yield run
    for child in children:
        child.close(force=True)


def finish(child: Any, *texts: str) -> int:
    """Espera os textos, o fim do programa, e devolve o código de saída."""
    for text in texts:
        child.expect_exact(text)
    child.expect(r"\Z")
    child.read()
    child.wait()
    shown = child.logfile_read.getvalue()
    assert "Traceback" not in shown
    assert all(c.isprintable() or c in "\r\n\b" for c in shown)  # nenhum controle escapou
    return int(child.exitstatus)


def leave(child: Any, key: str, goodbye: str) -> int:
    """Aperta Ctrl+C ou Ctrl+D até o programa se despedir; devolve o código de saída.

    Um sinal que chega um instante antes de o Python esperar a entrada só é visto com o seguinte:
    quem está ao teclado aperta de novo.
    """
    pexpect = pytest.importorskip("pexpect")
    for _ in range(3):
        getattr(child, key)()
        if child.expect_exact([goodbye, pexpect.TIMEOUT], timeout=TIMEOUT / 3) == 0:
            break
    return finish(child)


def join_threads(*names: str) -> None:
    """Espera o fim das threads com estes nomes: não pode sobrar nenhuma."""
    for thread in threading.enumerate():
        if thread.name in names:
            thread.join(TIMEOUT)
            assert not thread.is_alive()


class Watched:
    """Faz o papel da página de um painel: manda os comandos dos botões e espera o que aparece."""

    def __init__(self, panel: Any) -> None:
        self.panel = panel
        self.changed = threading.Condition(panel._turn)  # nunca entre um traço e o seguinte
        panel.observe(self._wake)

    def _wake(self, change: Any) -> None:
        with self.changed:
            self.changed.notify_all()

    def click(self, command: str, **content: Any) -> None:
        """O que a página manda; volta na hora."""
        self.panel._handle_custom_msg({"command": command, **content}, [])

    def wait(self, condition: Callable[[Any], Any]) -> None:
        """Espera que `condition(painel)` valha."""
        with self.changed:
            happened = self.changed.wait_for(lambda: condition(self.panel), TIMEOUT)
            assert happened, self.panel.get_state()


class Kernel:
    """Um kernel de verdade, que roda células como o JupyterLab."""

    def __init__(self, client: Any) -> None:
        self.client = client

    def run(self, code: str, cell: str = "") -> str:
        """Roda uma célula; devolve o que ela mostra, sem cores."""
        content = {"code": code, "silent": False, "store_history": True, "stop_on_error": False}
        metadata = {"cellId": cell} if cell else {}
        request = self.client.session.msg("execute_request", content, metadata=metadata)
        self.client.shell_channel.send(request)
        shown = ""
        while True:
            message = self.client.get_iopub_msg(timeout=TIMEOUT)
            if message["parent_header"].get("msg_id") != request["header"]["msg_id"]:
                continue
            if message["content"].get("execution_state") == "idle":
                return re.sub(r"\x1b\[[\d;]*m", "", shown)
            shown += message["content"].get("text", "")
            data = message["content"].get("data", {})
            if message["msg_type"] == "display_data" and data.keys() == {"text/plain"}:
                shown += data["text/plain"]
            shown += "\n".join(message["content"].get("traceback", []))


@pytest.fixture
def no_process_left() -> Iterator[None]:
    """Nenhum processo que o teste abriu continua depois dele."""
    import psutil

    before = set(psutil.Process().children())
    yield
    assert set(psutil.Process().children()) <= before


@cache
def own_network() -> tuple[str, ...]:
    """O que se põe antes de um comando para que ele rode numa rede só dele, com uma placa.

    É um espaço de rede do Linux, em que a porta 61840 não é disputada com outros testes. Onde não
    se pode criar um, nada, e o comando roda na rede de todos.
    """
    if sys.platform != "linux" or not (shutil.which("unshare") and shutil.which("ip")):
        return ()
    alone = ("unshare", "--net")
    if subprocess.run([*alone, "true"], stderr=subprocess.DEVNULL).returncode:
        return ()
    steps = ["ip link set lo up", "ip link add lan0 type veth peer name lan1"]
    steps += ["ip addr add 192.168.1.20/24 dev lan0", "ip link set lan0 up", "ip link set lan1 up"]
    return (*alone, "sh", "-ec", "; ".join([*steps, 'exec "$@"']), "sh")


def kernel_manager(*before: str) -> Any:
    """O de um kernel que ainda não começou, a ser aberto pelo comando que vem antes do dele.

    Por TCP, o jupyter_client escolhe as portas antes de o kernel as abrir, e no meio-tempo outro
    teste pode tomar uma: onde há sockets de arquivo, que não são da rede, é por eles.
    """
    from jupyter_client.manager import KernelManager

    where = {"transport": "ipc", "ip": str(Path(tempfile.mkdtemp(), "kernel"))}
    manager = KernelManager(kernel_name="python3", **({} if sys.platform == "win32" else where))
    launcher = [
        sys.executable,
        "-m",
        "ipykernel_launcher",
        NO_EXTENSIONS,
        "-f",
        "{connection_file}",
    ]
    manager.kernel_spec.argv = [*before, *launcher]
    return manager


def start_kernel(folder: Path, *before: str) -> tuple[Any, Any]:
    """Um kernel de verdade e o seu cliente, prontos, com esta pasta como a corrente."""
    manager = kernel_manager(*before)
    return manager, connect(manager, folder)


def connect(manager: Any, folder: Path) -> Any:
    """Inicia o kernel e devolve o seu cliente, pronto."""
    manager.start_kernel(cwd=str(folder))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
    except BaseException:
        stop_kernel(manager, client)
        raise
    return client


def stop_kernel(manager: Any, client: Any) -> None:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    if manager.transport == "ipc":
        shutil.rmtree(Path(manager.ip).parent)


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    manager, client = start_kernel(ROOT)
    yield Kernel(client)
    stop_kernel(manager, client)
