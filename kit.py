"""Prepara o kit e abre a primeira lição.

    python3 kit.py aula      instala o que falta e abre o JupyterLab
    python3 kit.py testes    instala o que falta e roda os testes do kit

No Windows, escreva `py` no lugar de `python3`. O que vier depois de `aula` segue para o
JupyterLab (`aula --no-browser --port 8890`); o que vier depois de `testes`, para o pytest
(`testes -k cliente`). Tudo é instalado na pasta .venv, ao lado deste arquivo.
"""

# Só a biblioteca padrão, e sintaxe que até o Python 3.6 entende, para que um Python antigo
# chegue a mostrar a mensagem abaixo.
import sys

if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit(
        "O kit precisa do Python 3.11 ou mais novo; o usado agora foi o "
        + sys.version.split()[0]
        + ".\nInstale um em python.org/downloads e use-o (no Windows: py -3.14 kit.py aula)."
    )

import hashlib
import json
import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time
import tomllib
import webbrowser
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT
from urllib.parse import urlsplit

HERE = Path(os.path.abspath(__file__)).parent
VENV = HERE / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
CONFIG = VENV / "etc" / "jupyter"
DATA = VENV / "share" / "jupyter"
STAMP = VENV / "echo_lib.json"  # o carimbo: o que está instalado; {} se a instalação não terminou
FIRST = "00_comece_aqui.ipynb"
NEEDED = ("pyproject.toml", "constraints.txt", "echo_lib", "share", "notebooks/" + FIRST)
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
# No HTML exportado, o desenho parado: o outro buscaria na internet o programa dos widgets.
EXPORT = "image/svg+xml text/html text/markdown image/png image/jpeg text/latex text/plain"
SETTINGS = {
    "ServerApp": {"ip": "127.0.0.1", "allow_root": ROOT, "answer_yes": True},
    "WidgetsDataTypeFilter": {"display_data_priority": EXPORT.split()},
    # Senão, o JupyterLab chama o npm, se há um, e para acabar espera por ele, e ele pela rede.
    "LanguageServerManager": {"autodetect": False},
}
SHELL = os.environ.get("SHELL", "sh")

PACKAGES = HERE / "pacotes"  # se existe, é dela que se instala, sem rede
WITHOUT_NETWORK = (
    "Sem rede: numa máquina com internet, o mesmo sistema e o mesmo Python, rode na pasta do\n"
    "kit (no Windows, com py em vez de python3)\n"
    "    python3 -m pip download -d pacotes -c constraints.txt hatchling pip .\n"
    "traga a pasta `pacotes` para a do kit desta máquina e tente de novo."
)

REMEDIES = {  # o que procurar num erro: o que dizer a quem o recebeu
    r"No space left|Errno 28\b|WinError 112\b": "O disco está cheio: libere 1 GB e tente de novo.",
    r"Long Path|too long|WinError 206\b": (
        "O caminho da pasta do kit é comprido demais: mova-a, por exemplo, para C:\\kit."
    ),
    r"Permission denied|Errno (1|13|30)\]|WinError (5|32)\b": (
        "Não posso gravar na pasta do kit. Feche o JupyterLab que estiver aberto; se não bastar,\n"
        "mova a pasta do kit para dentro da sua (Documentos, por exemplo)."
    ),
    r"metadata-generation-failed|[Ff]ailed building wheel|failed-wheel-build": (
        "Um dos pacotes ainda não vem pronto para este Python, talvez novo demais. Instale também\n"
        "o 3.14, de python.org/downloads, e use-o (no Windows: py -3.14 kit.py aula)."
    ),
    r"CERTIFICATE_VERIFY_FAILED": (
        "Esta rede troca o certificado dos sites pelo dela, como fazem filtros de escolas; ou a\n"
        "data desta máquina está errada. Acerte a data; use outra rede (a do celular, por\n"
        "exemplo); ou peça a quem cuida da rede o arquivo do certificado e ponha o caminho dele\n"
        "na variável PIP_CERT.\n" + WITHOUT_NETWORK
    ),
    r"onnection|[Rr]esol|Proxy|SSL|timed out|[Nn]o matching|find a version": (
        "Não consegui baixar os pacotes. Confira a internet, ou use outra rede (a do celular, por\n"
        "exemplo). Se a rede exige um proxy, ponha o endereço dele na variável HTTPS_PROXY.\n"
        + WITHOUT_NETWORK
    ),
    "": "Mostre estas linhas a quem dá a aula.",
}


def explain(error: str) -> str:
    """O que fazer diante de um erro do sistema ou do pip, e as linhas que contam dele."""
    pattern, remedy = next(pair for pair in REMEDIES.items() if re.search(pair[0], error))
    if PACKAGES.is_dir() and re.search("[Nn]o matching|find a version", error):
        pattern = "[Nn]o matching|find a version"
        remedy = (
            "Só instalei da pasta pacotes, e nela falta o que está abaixo: refaça-a com este\n"
            "sistema e este Python, ou apague-a para usar a internet."
        )
    lines = [line for line in error.splitlines() if line.strip()]
    telling = [line for line in lines if re.search(f"{pattern or 'ERROR'}|rror", line)]
    return "\n".join([remedy, "", *(telling or lines)[-6:]])


def run(*command: str, **variables: str) -> None:
    """Roda um comando na pasta do kit; o que ele escreve só aparece se ele falhar."""
    env = dict(os.environ, PYTHONIOENCODING="utf-8", **variables)
    done = subprocess.run(command, cwd=HERE, env=env, input=b"", stdout=PIPE, stderr=STDOUT)
    if done.returncode:
        sys.exit("A instalação falhou.\n" + explain(done.stdout.decode("utf-8", "replace")))


def pip_install(*args: str) -> None:
    """Instala na .venv, nas versões de constraints.txt, inclusive o que constrói os pacotes."""
    # O pip 25.3 ou mais novo lê a segunda variável ao construir; os outros, a primeira. O caminho
    # é relativo, porque num absoluto os espaços separariam dois.
    variables = {"PIP_CONSTRAINT": "constraints.txt", "PIP_USER": "0"}
    if PACKAGES.is_dir():
        variables.update(PIP_NO_INDEX="1", PIP_FIND_LINKS=PACKAGES.name)
    if "--no-build-isolation" not in args:
        variables["PIP_BUILD_CONSTRAINT"] = "constraints.txt"
    # Sem compilar tudo: a maior parte nunca se usa, e o que se usa é compilado na primeira vez.
    options = ["--disable-pip-version-check", "--no-compile"]
    run(str(PYTHON), "-m", "pip", "install", *options, *args, **variables)


def make_venv() -> None:
    """Cria a .venv, só com o pip, renovado: o do Python 3.11 leva uma vez e meia o tempo."""
    if not find_spec("venv") or not find_spec("ensurepip"):
        sys.exit(
            "Falta ao seu Python o módulo venv. No Ubuntu ou no Debian, instale-o com\n"
            "    sudo apt install python3-venv\n"
            "e tente de novo; no Windows e no macOS, use o Python de python.org/downloads."
        )
    if VENV.exists():
        remove_venv()
    VENV.mkdir()
    STAMP.write_text("{}")
    wheel = bundled_pip()
    option = ["--without-pip"] if wheel else []
    run(getattr(sys, "_base_executable", sys.executable), "-m", "venv", *option, str(VENV))
    if wheel:  # só extraído: o ensurepip também o compila inteiro, e leva segundos
        shutil.unpack_archive(wheel, next(VENV.glob("[Ll]ib/**/site-packages")), "zip")
    pip_install("--force-reinstall", "pip")


def bundled_pip() -> str:
    """O pip que vem com este Python, com que se instala o novo; "" se não está onde se espera.

    O Debian o guarda noutra pasta (docs.python.org, ensurepip; PEP 427, o .whl é um .zip).
    """
    folder = Path(find_spec("ensurepip").origin).parent / "_bundled"
    folders = [folder, Path(sysconfig.get_config_var("WHEEL_PKG_DIR") or folder)]
    return max((str(wheel) for place in folders for wheel in place.glob("pip-*.whl")), default="")


def remove_venv() -> None:
    """Apaga a .venv; a que um antivírus segura, no Windows, continua marcada como do kit."""
    try:
        shutil.rmtree(VENV)
    finally:
        if VENV.exists():
            STAMP.write_text("{}")


def venv_version() -> str:
    """A versão do Python da .venv, como "3.11"; "" se ela não existe ou não roda mais."""
    command = [str(PYTHON), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        return subprocess.check_output(command, stderr=DEVNULL).decode().strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def digest(*names: str) -> str:
    """O resumo sha256 de arquivos e pastas do kit."""
    total = hashlib.sha256()
    for path in sorted(p for name in names for p in [HERE / name, *(HERE / name).rglob("*")]):
        if path.is_file() and path.suffix != ".pyc":
            total.update(path.relative_to(HERE).as_posix().encode() + path.read_bytes())
    return total.hexdigest()


def read_stamp() -> dict:
    """O que está instalado; {} se nada está, ou se a instalação não terminou."""
    if VENV.exists() and not STAMP.exists():
        sys.exit("Já existe aqui uma .venv que não é do kit: apague-a ou mude o nome dela.")
    try:
        return json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}


def set_up(tests: bool) -> None:
    """Deixa a .venv em dia; se já está, não instala nada."""
    old, version = read_stamp(), venv_version()
    keep = old.get("python") == version != ""  # o Python que a fez ainda está lá?
    new = {
        "python": version if keep else "{}.{}".format(*sys.version_info),
        "dependencias": digest("pyproject.toml", "constraints.txt"),
        "testes": tests or old.get("testes", False),
        "pacote": digest("echo_lib", "share"),
    }
    if keep and old == new:
        return
    try:
        install(old if keep else {}, new)
    except BaseException as error:
        if not keep:
            with suppress(OSError):
                remove_venv()
        elif isinstance(getattr(error, "code", 0), str):  # o pip desfaz o que começa
            STAMP.write_text(json.dumps(old))
        raise
    STAMP.write_text(json.dumps(new))


def install(old: dict, new: dict) -> None:
    """Instala o que mudou de um carimbo para o outro."""
    only_ours = dict(old, pacote=new["pacote"]) == new
    how_long = "alguns segundos" if only_ours else "de 1 a 5 minutos, só desta vez"
    print(f"Instalando o kit: {how_long}...")
    if old:
        STAMP.write_text("{}")
    else:
        make_venv()
    if not only_ours:
        project = tomllib.loads((HERE / "pyproject.toml").read_text("utf-8"))["project"]
        tests = project["optional-dependencies"]["testes"] if new["testes"] else []
        pip_install("hatchling", *project["dependencies"], *tests)
        old.update(new, pacote="")  # se o que vem falha, só isso falta
    # À parte, com o hatchling já instalado: o pip não o instala outra vez, numa pasta à parte.
    pip_install("--no-deps", "--force-reinstall", "--no-build-isolation", ".")
    # Depois de reiniciar o kernel, um erro numa célula do meio também é explicado.
    config = VENV / "etc" / "ipython" / "ipython_kernel_config.py"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("c.InteractiveShellApp.extensions = ['echo_lib']\n")


@contextmanager
def running(*command: str, **options):
    """O programa pedido; se este programa for interrompido, aquele acaba também."""
    child = subprocess.Popen(command, **options)
    try:
        yield child
    except BaseException as error:
        # O Ctrl+C chegou também ao filho: primeiro, tempo para que ele acabe por si. O JupyterLab
        # espera 5 s por um kernel que não responde, antes de acabar com ele.
        first = child.poll if isinstance(error, KeyboardInterrupt) else child.terminate
        for end in (first, child.terminate, child.kill):
            end()
            try:
                child.wait(timeout=10)
                break
            except (subprocess.TimeoutExpired, KeyboardInterrupt):
                pass
        raise


def check_port(args: list) -> None:
    """Confere a porta pedida com --port; sem pedido, o JupyterLab acha uma livre."""
    for port in re.findall(r"--(?:ServerApp\.)?port(?:$|[= ])(\S*)", " ".join(args)):
        try:
            socket.create_server(("127.0.0.1", int(port))).close()
        except (ValueError, OverflowError):
            sys.exit(f"Esperava uma porta de 0 a 65535, recebi {port or '--port sozinho'}.")
        except OSError:
            with socket.create_server(("127.0.0.1", 0)) as free:
                sys.exit(
                    f"A porta {port} está em uso, ou é reservada ao sistema. Use outra;\n"
                    f"esta está livre: --port {free.getsockname()[1]}"
                )


def save(path: Path, text: str) -> None:
    """Grava um arquivo, se mudou: quem abriu o kit duas vezes pode ainda estar lendo o de antes."""
    data = os.fsencode(text)  # com os caminhos tais como o sistema os guarda
    if not path.exists() or path.read_bytes() != data:
        path.write_bytes(data)


def shell_command(config: Path) -> list:
    """O shell dos terminais, em que `python` é o da .venv, mesmo com conda ou pyenv.

    Eles se põem na frente no .bashrc ou no .zshrc, e por isso o PATH se arruma depois.
    """
    path = f"export PATH={shlex.quote(str(PYTHON.parent))}:$PATH\n"
    save(config / "bashrc", "test -f ~/.bashrc && . ~/.bashrc\n" + path)
    save(
        config / ".zshenv",
        f"ZDOTDIR={shlex.quote(os.environ.get('ZDOTDIR') or os.path.expanduser('~'))}\n"
        "test -f $ZDOTDIR/.zshenv && . $ZDOTDIR/.zshenv\n"
        f"KIT_ZDOTDIR=$ZDOTDIR; ZDOTDIR={shlex.quote(str(config))}\n",
    )
    save(
        config / ".zshrc",
        "ZDOTDIR=$KIT_ZDOTDIR; unset KIT_ZDOTDIR; HISTFILE=${HISTFILE:+$ZDOTDIR/.zsh_history}\n"
        f"test -f $ZDOTDIR/.zshrc && . $ZDOTDIR/.zshrc\n{path}",
    )
    # O terminal do JupyterLab não sabe que é UTF-8: apagado um ç, ficaria metade dele (termios(3)).
    utf8 = ["sh", "-c", 'stty iutf8 2>/dev/null; exec "$@"', "sh"]
    # Não um shell de login, em que o sistema trocaria o PATH.
    if SHELL.endswith("bash"):
        return [*utf8, SHELL, "--rcfile", str(config / "bashrc")]
    return [*utf8, "env", f"ZDOTDIR={config}", SHELL]


def lab_variables(runtime: str) -> dict:
    """As variáveis que separam este JupyterLab de outros e põem o Python da .venv na frente."""
    if os.name != "nt":
        SETTINGS["ServerApp"]["terminado_settings"] = {"shell_command": shell_command(CONFIG)}
    # Num arquivo, e não em argumentos, para que valham os de quem chama.
    settings = json.dumps(SETTINGS)
    for name in ("server", "nbconvert"):
        save(CONFIG / f"jupyter_{name}_config.json", settings)
    return dict(
        os.environ,
        JUPYTER_CONFIG_DIR=str(CONFIG),
        JUPYTER_DATA_DIR=str(DATA),
        JUPYTER_RUNTIME_DIR=runtime,
        JUPYTER_TOKEN=secrets.token_hex(24),
        PATH=str(PYTHON.parent) + os.pathsep + os.environ.get("PATH", ""),
    )


def address(child: subprocess.Popen, runtime: str) -> str:
    """Espera o JupyterLab atender e diz o endereço que abre a primeira lição."""
    while child.poll() is None:
        try:
            info = json.loads(next(Path(runtime).glob("jpserver-*.json")).read_text())
            place = (urlsplit(info["url"]).hostname, info["port"])
            with socket.create_connection(place, timeout=1) as sock, suppress(ConnectionError):
                sock.sendall(b"GET /api HTTP/1.0\r\n\r\n")
                sock.recv(1)  # já escuta antes de atender, e um SIGTERM aí se perderia
            return f"{info['url']}lab/tree/{FIRST}?token={info['token']}"
        except (StopIteration, ValueError, OSError):  # ainda não escreveu, ou ainda não atende
            time.sleep(0.05)
    code, log = child.returncode, Path(runtime, "log").read_text(errors="replace")
    message = [f"O JupyterLab terminou sem abrir, com o código {code}.", "", *log.splitlines()[-8:]]
    sys.exit(code and "\n".join(message))


def lesson(args: list) -> int:
    """Abre o JupyterLab na primeira lição e espera que ele termine."""
    check_port(args)
    set_up(tests=False)
    if ROOT:
        print("Você é o root: o JupyterLab costuma recusar, mas aqui vai abrir.")
    print("Abrindo o JupyterLab...")
    command = [str(PYTHON), "-m", "jupyterlab", "--no-browser", *args]
    folder = tempfile.TemporaryDirectory(dir=VENV, ignore_cleanup_errors=True)
    # O que o JupyterLab escreve, em inglês, fica fora do terminal: lá, o endereço vem por último.
    with folder as runtime, open(Path(runtime, "log"), "w") as log:
        options = {"cwd": HERE / "notebooks", "env": lab_variables(runtime), "stderr": log}
        with running(*command, **options) as child:
            open_address(address(child, runtime), args)
            return child.wait()


def open_address(url: str, args: list) -> None:
    """Abre o navegador, se há tela para ele, e mostra o endereço."""
    screens = {"DISPLAY", "WAYLAND_DISPLAY"} & set(os.environ)
    if (screens or os.name == "nt" or sys.platform == "darwin") and "--no-browser" not in args:
        webbrowser.open(url)
    print("Para encerrar: Ctrl+C nesta janela. Se o navegador não abrir, abra nele:")
    print(url)


def run_tests(args: list) -> int:
    """Roda os testes com o pytest; todos, em sete processos, pois muitos deles só esperam."""
    set_up(tests=True)
    with running(str(PYTHON), "-m", "pytest", *(args or ["-n", "7"]), cwd=HERE) as child:
        return child.wait()


def main(args: list) -> int:
    """Confere o que o kit exige e atende ao pedido."""
    command = {"aula": lesson, "testes": run_tests}.get(args[0] if args else "")
    if not command:
        known = not args or args[0] in ("-h", "--help")
        print(__doc__ if known else f"Não conheço o comando {args[0]}.\n\n{__doc__}")
        return 0 if known else 2
    missing = [name for name in NEEDED if not (HERE / name).exists()]
    if missing:
        sys.exit(
            f"Falta ao lado do kit.py: {', '.join(missing)}. Ele só funciona na pasta do kit:\n"
            "baixe-a inteira de novo e, se ela veio num .zip, extraia tudo antes."
        )
    return command(args[1:])


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="replace", line_buffering=True)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # o que um programa da .venv compila fica nela
    for name in {"SIGTERM", "SIGHUP"} & set(dir(signal)):
        signal.signal(getattr(signal, name), lambda number, _: sys.exit(128 + number))
    try:
        sys.exit(main(sys.argv[1:]))
    except OSError as error:
        sys.exit(explain(str(error)))
    except KeyboardInterrupt:
        sys.exit(130)
