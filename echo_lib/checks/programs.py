"""As verificações das lições 06 e 07: programas inteiros, estados, redes."""

from __future__ import annotations

import ast
import io
import re
import socket
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import ExitStack, redirect_stdout, suppress
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from time import monotonic, perf_counter, sleep
from typing import Any

from echo_lib import isolated, network, program
from echo_lib.checks import peers
from echo_lib.checks.base import (
    HIDDEN,
    LOST_BY_SEND,
    MESSAGES,
    Check,
    brief,
    compare,
    failed,
    in_a_free_port,
    in_seconds,
    passed,
    unexplained,
)
from echo_lib.checks.tutorial import CLOSED_LISTENER, WAITED, served
from echo_lib.client import EchoClient
from echo_lib.isolated import Learner, useless
from echo_lib.server import EchoServer
from echo_lib.trace import Event, Trace, TracedSocket

_BEGIN = 15.0  # segundos para um programa começar a escutar
_LULL = 1.5  # segundos sem cliente nenhum
_HERE_ONLY, _THE_NETWORK = "só esta máquina", "a rede"
_ONE_FELL = "ConnectionResetError é de um cliente só: o servidor continua."
_THE_FAMILY = (
    "BrokenPipeError e ConnectionResetError são da mesma família, e de um cliente só: capture "
    "ConnectionError, e o servidor continua."
)
_IN_THE_SENDALL = "O corte também pode chegar no sendall: ponha-o no try."
_MANY = 2**24  # bytes: mais do que cabe no caminho até um programa, cujos buffers não se limitam
_OPENED_ONCE = "A escuta se abre uma vez, antes do laço, e nele só se repete o accept."
_PASSING = 110  # clientes que só conectam e fecham, no fim: mais que um range(100)
_PASSING_TIME = 5.0  # segundos, no máximo, para todos eles
_AFTER_SILENCE = b"ainda estou aqui"
_ENDS = (
    "O programa acabou, sem erro: falta um laço, ou um break, um exit ou um except fora do laço o "
    "encerra?"
)
_IN_PIECES = "ação, " * 11 + "fim"  # o que volta aos pedaços
_PAUSE = 0.03  # segundos entre um pedaço e outro
_GAVE_UP = 0.7  # segundos entre o fim do eco e o do cliente: esperou mais, e não veio
_IN_VAIN = 2.0  # segundos depois do eco inteiro: quem ainda espera não vai acabar
_NOT_CLOSED = (
    "o programa não fechou a conexão. Quando o recv devolver b'', saia do laço e feche conn (with, "
    "ou close), antes do próximo accept."
)
_NOBODY_CAME = "Um prazo do accept que acaba só diz que ninguém chegou ainda"
_NOT_A_SERVER = "Conectar é do cliente: o servidor escuta, com create_server, ou bind e listen."
_NEAR = 0.85  # de 0 a 1: o quanto dois nomes de arquivo se parecem
_NEVER_ENDED = "o programa não terminou: falta um close, ou um laço não acaba?"


def client_program(path: str) -> Check:
    """Verifica um programa: `python PROGRAMA HOST PORTA MENSAGEM` mostra só o eco e termina.

    Argumentos:
        path: o arquivo .py do aluno.
    """
    return _judged(_client_program, path)


def _client_program(path: str) -> Check:
    for message in MESSAGES:
        wrong = _tried(path, message)
        if wrong and WAITED in wrong.text:  # talvez a máquina, e não o prazo
            wrong = _tried(path, message)
        if wrong:
            return wrong
    if _shown_of_another(path, "olá", ["OLÁ".encode()])[0] == "olá":
        text = "Um servidor respondeu 'OLÁ' a 'olá', e o programa mostrou 'olá': mostre o que o "
        return failed(f"{text}recv trouxe, e não a mensagem.")
    data = _IN_PIECES.encode()
    pieces = [data[:2], *(data[i : i + 8] for i in range(2, len(data), 8))]  # cada um parte um ç
    shown, error = _shown_of_another(path, _IN_PIECES, pieces)
    if error or shown != _IN_PIECES:
        what = unexplained(error) or f"o programa mostrou {brief(shown)}."
        text = f"Um servidor devolveu a mensagem em {len(pieces)} pedaços, um depois do outro, e "
        hint = error and _client_hint(error, _IN_PIECES, data)
        if shown == _IN_PIECES.replace("ç", "") or "\ufffd" in shown:
            hint = "O recv cortou letras: junte todos os bytes, e só então decode, sem errors=."
        hint = hint or (
            "Um recv traz o que já chegou, muito ou pouco. Repita até ter todos os bytes, ou, "
            "depois do shutdown, até vir b''."
        )
        return failed(f"{text}{what} {hint}")
    return passed("Seu programa passou: três mensagens, uma comprida, cada uma num processo.")


def _tried(path: str, message: str) -> Check | None:
    """Roda o programa com esta mensagem, diante de um servidor; o que há de errado, ou None."""
    trace = Trace()
    with trace:
        server = EchoServer(port=0).start()
    with server:
        over = partial(_waits_in_vain, trace, len(message.encode()))
        shown, error, errors = _run(path, *map(str, server.address), message, over=over)
        _wait_until_alone(server)
    text = _wrong_client(path, message, shown, error, trace)
    if text and (mixed := program.mixed(errors, path)):
        text = f"{text.strip()}\n{mixed}"
    return Check(False, text.strip(), _without_the_last(trace)) if text else None


def _waits_in_vain(trace: Trace, size: int) -> bool:
    """Se o eco voltou inteiro, e o cliente, há muito, espera mais."""
    sent, ended = _echoed(trace)
    whole = bool(sent) and sum(event.size for event in sent) >= size
    return whole and ended is None and perf_counter() - sent[-1].time > _IN_VAIN


def _echoed(trace: Trace) -> tuple[list[Event], float | None]:
    """O que o servidor enviou, e quando o cliente disse que não enviaria mais; None, se não disse.

    Só do primeiro cliente: o de _wait_until_alone nada envia.
    """
    own = [event for event in trace.events() if event.role == "server"]
    sent = [event for event in own if event.sends]
    ended = [e.time for e in own if e.receives and not e.size and not e.error]
    return sent, ended[0] if ended else None


def _wrong_client(path: str, message: str, shown: str, error: str, trace: Trace) -> str:
    """O que o programa cliente fez de errado, e a pista; ou ""."""
    accepted, came = served(trace)
    if error:
        hint = _client_hint(error, message, came)
        # A explicação do erro, que não sabe do eco, diria outra coisa.
        said = unexplained(error) if hint else error
        return f"Com a mensagem {brief(message)}, {said} {hint}"
    if accepted < 2:  # o outro é o de _wait_until_alone
        hint = _never_called(path) or "Faltou usar o host e a porta?"
        return f"O programa terminou sem conectar{_on_screen(shown)}. {hint}"
    if not came:
        hint = "Faltou o sendall?"
        if shown and "except" in _source(path):
            hint = f"O que deu errado? {HIDDEN}"
        if "input(" in _source(path):
            hint = "Aqui ninguém digita: a mensagem vem em sys.argv[3], e não do input."
        return f"O programa conectou e não enviou nada{_on_screen(shown)}. {hint}"
    if shown != message.strip():
        hint = _shown_hint(path, message.strip(), shown)
        return f"Esperava {brief(message)} na tela; vi {brief(shown)}. {hint}"
    sent, ended = _echoed(trace)
    late = bool(sent) and ended is not None and ended - sent[-1].time > _GAVE_UP
    if late and re.search("except|suppress|select", _source(path)):
        return f"O texto está certo, mas {WAITED}"
    cut = any(isinstance(event.error, ConnectionError) for event in trace.events())
    if cut and sys.platform != "win32":  # lá, quem acaba sem close também corta
        return "O texto está certo, mas o programa fechou sem receber o eco inteiro."
    if came.strip(b" ") != message.strip().encode():
        return f"Com a mensagem {brief(message)}, ao servidor chegou {brief(came)}."
    return LOST_BY_SEND if _drops_send(path) else ""


def _shown_of_another(path: str, message: str, reply: list[bytes]) -> tuple[str, str]:
    """O que o programa mostra, e por que falhou, se o servidor responde aos pedaços, e fecha."""
    read = 0.0  # quando ele leu o último pedaço: até lá, quem demora pode ser este servidor

    def answer(listener: socket.socket) -> None:
        nonlocal read
        with suppress(OSError), listener.accept()[0] as conn:
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peers.receive(conn, len(message.encode()))
            for piece in reply:
                peers.send(conn, piece)
                read = monotonic() if _until_read(conn) else read
                sleep(_PAUSE)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=answer, args=(listener,), daemon=True)
        server.start()
        where = map(str, listener.getsockname())
        shown, error, _ = _run(path, *where, message, moved=lambda: read)
        with suppress(OSError):  # o programa acabou: se não conectou, ninguém mais vem
            socket.create_connection(listener.getsockname(), isolated.TIMEOUT).close()
        server.join()
    return shown, error


def _until_read(conn: socket.socket) -> bool:
    """Espera, no Linux, que o outro lado tenha tirado com recv tudo o que lhe chegou; diz se tirou.

    Fonte: proc(5), /proc/net/tcp, rx_queue.
    """
    ends = [f":{end[1]:04X}" for end in (conn.getpeername(), conn.getsockname())]
    deadline = monotonic() + isolated.TIMEOUT
    with suppress(OSError):  # nos outros sistemas, só a pausa
        while monotonic() < deadline:
            rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
            mine = [row for row in rows if [row[1][8:], row[2][8:]] == ends]
            if not any(int(row[4].partition(":")[2], 16) for row in mine):
                return True
            sleep(0.01)
        return False
    return True


def _on_screen(shown: str) -> str:
    return f"; na tela, {brief(shown)}" if shown else ""


def _source(path: str) -> str:
    return Path(path).read_text("utf-8", errors="replace")


def _judged(judge: Callable[[str], Check], path: str) -> Check:
    """A resposta, e mais uma pista, se uma linha do programa nada faz, ou se há um mais novo."""
    if not Path(path).is_file():
        return failed(f"Não achei {path} nesta pasta: execute antes a célula que o grava.")
    check = judge(path)
    if check.ok:
        return check
    said = _newer(Path(path))
    with suppress(SyntaxError, ValueError), warnings.catch_warnings(action="ignore"):
        said = said or useless(compile(_source(path), path, "exec", dont_inherit=True))
    return replace(check, text=f"{check.text}\n{said}") if said else check


def _newer(path: Path) -> str:
    """O que dizer de quem gravou, depois, um arquivo de nome quase igual; ou ""."""
    files = (other for other in path.parent.glob("*.py") if other.is_file())
    written = {other.name: other.stat().st_mtime for other in files}
    for name in get_close_matches(path.name, {*written} - {path.name}, cutoff=_NEAR):
        if written[name] > written[path.name]:
            return f"Conferi {path.name}; mais novo que ele, há {name}: é nesse a sua resposta?"
    return ""


def _never_called(path: str) -> str:
    """O que dizer de um programa que define uma função e não a chama; ou ""."""
    text = _source(path)
    if re.search(r"__name__\s*==\s*['\"](?!__main__['\"])", text):
        return 'Só vale if __name__ == "__main__":, com dois sublinhados de cada lado de main.'
    for name in re.findall(r"^def (\w+)\(", text, re.MULTILINE):
        if len(re.findall(rf"\b{name}\b", text)) == 1:
            return f"def {name} só define a função: chame-a no fim, com {name}()."
    return ""


def _drops_send(path: str) -> bool:
    """Se o programa chama send e não olha quantos bytes foram.

    Num socket com prazo, ou que não bloqueia, podem ser só uma parte (send(2)).
    """
    try:
        steps = [*ast.walk(ast.parse(_source(path)))]
    except SyntaxError:
        return False
    if any(isinstance(step, ast.Yield) for step in steps):  # um gerador também tem send
        return False
    calls = [s.value for s in steps if isinstance(s, ast.Expr) and isinstance(s.value, ast.Call)]
    return any(isinstance(c.func, ast.Attribute) and c.func.attr == "send" for c in calls)


def _wait_until_alone(server: EchoServer) -> None:
    """Espera o servidor saber de tudo o que o programa fez.

    Quem conecta agora é aceito depois de todos os que vieram antes. Fonte: accept(2), que tira
    da fila o primeiro pedido.
    """
    deadline = monotonic() + isolated.TIMEOUT
    with socket.create_connection(server.address, isolated.TIMEOUT) as last:
        alone = [last.getsockname()]
        while [client.address for client in server.clients] != alone and monotonic() < deadline:
            sleep(0.01)


def _without_the_last(trace: Trace) -> tuple[Event, ...]:
    """O que se desenha: a conexão que só esperou não é do programa."""
    events = trace.events()
    last = [event.connection for event in events if event.call == "accept"][-1:]
    return tuple(event for event in events if event.connection not in last)


def _client_hint(error: str, message: str, came: bytes) -> str:
    """A pista de um programa cliente que falhou, ou não acabou."""
    if came and came != message.encode() and message.encode().startswith(came):
        return f"Ao servidor chegaram só {len(came)} dos {len(message.encode())} bytes dela."
    if "EADDRINUSE" in error:
        return (
            "Esse programa é o cliente: ele conecta. Quem escuta, com bind e listen, é o servidor."
        )
    if "BrokenPipeError" in error and not came:
        return "O shutdown(socket.SHUT_WR) vem depois do sendall: ele diz que não se envia mais."
    if "UnicodeDecodeError" in error:
        return (
            "O recv cortou uma letra, e um recv curto não é o fim: junte todos os bytes, e só "
            "então decode. Se os contou, compare com len(mensagem.encode()), que não são letras."
        )
    if "ConnectionRefusedError" in error and not came:
        return "O servidor está no host e na porta que o programa recebeu, em sys.argv: use-os."
    if error != _NEVER_ENDED and "TimeoutError" not in error:
        return ""
    if not came:
        return "Nada chegou ao servidor: ele espera a resposta antes de enviar?"
    if came == message.encode():
        return (
            "O eco já voltou inteiro, e ele espera mais: faltou s.shutdown(socket.SHUT_WR), sair "
            "do laço quando o recv devolve b'', ou parar quando tiver todos os bytes."
        )
    return ""


def _shown_hint(path: str, message: str, shown: str) -> str:
    """A pista de um programa cliente que não mostrou o que devia."""
    text = _source(path)
    kept = re.search(r"\b(\w+) *:?= *\w+\.recv\(.*\bprint\(\1\b", text, re.DOTALL)
    if not shown and kept and re.search(r"\b(while|for)\b", text) and "SHUT_RD" not in text:
        return f"No fim, {kept[1]} é o último recv, b'': guarde cada pedaço, com +=."
    if not shown and "except" in text:
        return f"Faltou o print? {HIDDEN}"
    if not shown:
        return "Faltou o print? Ou ele fechou também o recebimento (use SHUT_WR)?"
    if shown.startswith(("b'", 'b"')):
        return "São bytes: faltou o decode."
    if message in shown:
        return "Mostre só o eco."
    if shown == "None":
        return "None é o que uma função sem return devolve."
    if "\n" in shown and "\n" not in message:
        return "print põe um fim de linha: junte os pedaços, e mostre uma vez só, no fim."
    if message.startswith(shown):
        return "Um recv pode trazer só uma parte."
    return "Mostre o que veio, sem mudar nem perder letra: sem upper, e sem errors='ignore'."


def server_program(path: str) -> Check:
    """Verifica um programa: `python PROGRAMA HOST PORTA` ecoa, um cliente depois do outro.

    Argumentos:
        path: o arquivo .py do aluno.
    """
    return _judged(lambda path: in_a_free_port(partial(_server_program, path)), path)


def _server_program(path: str) -> Check:
    trace = Trace()
    with program.serving(path) as served:
        if problem := served.wait(_BEGIN):
            problem = f"O programa {problem} {_never_called(path)}".strip()
            if "EADDRINUSE" in problem and "argv" not in _source(path):
                problem = (
                    f"{unexplained(problem)} O programa recebeu a porta {served.address[1]}, e "
                    "tentou outra, que já tem dono: use a de sys.argv."
                )
            if "ConnectionRefusedError" in problem or _only_connects(path):
                problem = f"{unexplained(problem)} {_NOT_A_SERVER}"
        elif not (problem := _elsewhere(served.address) or _wrong_queue(path, trace)):
            trace = Trace()  # no desenho, só o que a resposta conta
            problem = _wrong_service(served, trace) or _tired(served)
            problem = problem or (LOST_BY_SEND if _drops_send(path) else "")
        if problem:
            problem = "\n".join((problem, *served.also(problem)))
    if problem:
        return Check(False, problem, tuple(trace.events()))
    return passed(
        "Seu servidor passou: oito clientes em sequência; dois caíram de repente, e um saiu sem "
        "ler o eco."
    )


def _only_connects(path: str) -> bool:
    """Se o programa é um cliente: conecta, e nada escuta."""
    text = _source(path)
    connects = re.search(r"\.connect\(|create_connection", text)
    return bool(connects) and not re.search(r"listen|create_server|start_server", text)


def _elsewhere(address: tuple[str, int]) -> str:
    """O que dizer do programa que escuta em outro endereço, e não no que recebeu; ou ""."""
    host, port = address
    listening = [row.local[0] for row in network.ports(port) if row.state == "LISTEN"]
    if not listening or host in listening:
        return ""
    return f"O programa recebeu o host {host}, e escuta em {listening[0]}: use o host que recebeu."


def _wrong_service(served: program.Program, trace: Trace) -> str:
    """Conversa com o servidor do aluno; devolve o que houve de errado e por quê, ou ""."""
    for what, messages in (
        ("o primeiro cliente", [*map(str.encode, MESSAGES), b"a\xc3", b"\xa7", b"sair"]),
        ("um cliente que fecha sem dizer nada", []),
        ("um cliente que vem depois", ["olá, ção 🗣️".encode()]),
        ("um cliente que vem depois de outro cair de repente", [b"oi"]),
        ("um cliente que vem depois de outro cair sem ler o eco", [b"oi", _AFTER_SILENCE]),
        ("um cliente que sai sem ler o eco", []),
        ("um cliente que vem depois de outro sair sem ler o eco", [b"oi"]),
        ("um cliente que vem depois de um tempo sem ninguém", [b"oi"]),
    ):
        if "tempo sem ninguém" in what:
            sleep(_LULL)
        with TracedSocket(trace=trace) as peer:
            peer.settimeout(isolated.TIMEOUT)
            try:
                peer.connect(served.address)
            except OSError:
                text = f"Com {what}: a conexão foi recusada."
                return _with_the_cause(served, text, "" if served.failure(0.5) else _OPENED_ONCE)
            for number, data in enumerate(messages):
                if data == _AFTER_SILENCE:
                    sleep(_LULL)
                if (received := peers.exchange(peer, data)) != data:
                    rest = b"" if data.startswith(received) else peers.at_hand(peer)
                    back = f"recebi {brief(received + rest)}" if received else "nada voltou"
                    text = f"Com {what}, enviei {_text_or_bytes(data)} e {back}."
                    hint = _service_hint(what, number, messages, received)
                    return _with_the_cause(served, text, hint)
            if what == "um cliente que vem depois":  # parado no recv
                peers.reset(peer)
            elif "cair de repente" in what:  # parado no sendall
                peers.flood(peer, served.hunger, _MANY)
                peers.reset(peer)
            elif what == "um cliente que sai sem ler o eco":
                peers.leave(peer, bytes(5000))  # mais de um recv
            elif (more := peers.after_the_end(peer)) != b"":
                extra = more and f"veio ainda {brief(more)}, que ele não enviou."
                return f"Com {what}, que terminou de enviar: {extra or _NOT_CLOSED}"
    return ""


def _text_or_bytes(data: bytes) -> str:
    """O texto, encurtado; de um caractere cortado, os bytes."""
    try:
        return brief(data.decode())
    except UnicodeDecodeError:
        return brief(data)


def _tired(served: program.Program) -> str:
    """O que dizer do programa que acaba depois de muitos clientes; ou ""."""
    deadline = monotonic() + _PASSING_TIME
    for _ in range(_PASSING):
        if monotonic() > deadline:  # com uma fila curta, cada um pode levar um segundo
            break
        with suppress(OSError):
            socket.create_connection(served.address, isolated.TIMEOUT).close()
    with suppress(OSError), socket.create_connection(served.address, isolated.TIMEOUT) as last:
        peers.send(last, b"oi")
        if peers.receive(last, 2, _PASSING_TIME) == b"oi":  # a vez dele vem depois da de todos
            return ""
    died = served.failure(seconds=0.5)
    return died and f"Depois de alguns clientes, o programa {died} Ele não acaba sozinho."


def _wrong_queue(path: str, trace: Trace) -> str:
    """O que acontece a quem chega enquanto outro é atendido; "" se espera a sua vez.

    Noutra execução do programa. Dos outros enganos, `_wrong_service` diz a causa.
    """
    with suppress(OSError), ExitStack() as stack:
        served = stack.enter_context(program.serving(path))
        served.wait(_BEGIN)
        first, second = (stack.enter_context(TracedSocket(trace=trace)) for _ in range(2))
        for peer in (first, second):
            peer.settimeout(isolated.TIMEOUT)
        first.connect(served.address)
        if peers.exchange(first, b"oi") != b"oi":
            return ""
        with suppress(OSError):
            second.connect(served.address)
        peers.end(first)
        try:
            second.sendall(b"oi")
            second.recv(2)
        except TimeoutError:
            return ""
        except OSError:  # recusado, ou derrubado por quem fechou a escuta
            if not served.failure(seconds=0.5):
                text = "Quem chegou enquanto outro era atendido perdeu a vez."
                also = served.also(text)
                if not any("Numa thread" in line for line in also):
                    text = f"{text} {_OPENED_ONCE}"
                return "\n".join((text, *also))
    return ""


def _with_the_cause(served: program.Program, text: str, hint: str) -> str:
    """O que houve e, se foi um erro que derrubou o programa, ele; senão, a pista."""
    died = served.failure(seconds=0.5)
    briefly = f"{text} O programa {unexplained(died)}"
    if "UnicodeDecodeError" in died:
        return f"{text} O programa {died} Um eco não precisa de texto: tire o decode."
    if "TimeoutError" in died and ".accept()" in died:
        return f"{briefly}\n{_NOBODY_CAME}: capture-o, e repita o accept."
    if "EBADF" in died and ".accept()" in died:
        return f"{briefly}\n{CLOSED_LISTENER}"
    if "EADDRINUSE" in died:
        return f"{briefly}\n{_OPENED_ONCE}"
    if "falhou: BrokenPipe" in died:
        return f"{briefly}\n{_THE_FAMILY}"
    if "falhou: Connection" in died:
        where = f" {_IN_THE_SENDALL}" if "cair sem ler" in text else ""
        return f"{text} O programa {died}\n{_ONE_FELL}{where}"
    if "falhou" in died:
        return f"{text} O programa {died}"
    return " ".join(filter(None, (text, died and _ENDS, hint)))


def _service_hint(what: str, number: int, messages: list[bytes], received: bytes) -> str:
    data = messages[number]
    if received and not data.startswith(received):
        if number and received.startswith(messages[number - 1]):
            return (
                "Voltou de novo o que já tinha voltado: a cada recv, um sendall, só do que esse "
                "recv trouxe (sem +=)."
            )
        return "O eco são os bytes que chegaram, e nada mais."
    if received:
        return "Cada recv traz o que chegou: devolva todos os bytes, e volte ao recv."
    if data == b"sair":
        return "“sair” é um comando do cliente; para o servidor, são bytes como os outros."
    if data == _AFTER_SILENCE:
        return f"Ele ficou {in_seconds(_LULL)} calado, e calar-se não é sair: espere por ele."
    if "tempo sem ninguém" in what:
        return f"{_NOBODY_CAME}."
    if "depois de outro sair" in what:
        return _THE_FAMILY
    if "depois de outro cair" in what:
        return f"{_ONE_FELL} {_IN_THE_SENDALL}" if "sem ler" in what else _ONE_FELL
    if "depois" in what:
        return "Quando um cliente sai (o recv devolve b''), o servidor volta ao accept."
    if not number:
        return (
            f"O que conn.recv traz volta por conn.sendall? A cada recv, sem esperar o fim? {HIDDEN}"
        )
    return "Depois de responder, o servidor volta ao recv, até vir b''."


def _run(
    path: str,
    *arguments: str,
    over: Callable[[], bool] = lambda: False,
    moved: Callable[[], float] = lambda: 0.0,
) -> tuple[str, str, bytes]:
    """Roda um programa até o fim, ou até `over`: o que mostrou, por que falhou, e o stderr.

    O prazo dele conta do último byte que leu, em monotonic(), se `moved` o diz.
    """
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with program.running(path, *arguments, **pipes) as process:
        try:
            shown, errors = _to_the_end(process, over, moved)
        except subprocess.TimeoutExpired:
            process.kill()
            errors = b""
            with suppress(subprocess.TimeoutExpired):  # um filho dele ainda tem o pipe
                errors = process.communicate(timeout=isolated.TIMEOUT)[1]
            return "", _NEVER_ENDED, errors
    if process.returncode:
        return "", f"o programa {program.failure(process.returncode, errors, path)}", errors
    return shown.decode(errors="replace").strip(), "", errors


def _to_the_end(
    process: subprocess.Popen[bytes], over: Callable[[], bool], moved: Callable[[], float]
) -> tuple[bytes, bytes]:
    """O que ele mostrou, ou TimeoutExpired; o prazo recomeça se ele só espera o processador."""
    begin = monotonic()
    limit = begin + 2 * isolated.TIMEOUT
    while True:
        try:
            return process.communicate(timeout=0.1)
        except subprocess.TimeoutExpired:
            waits = isolated.waits_for_its_turn(process.pid)
            if over() and not waits and process.poll() is None:  # ou acabou enquanto se olhava
                raise
            if monotonic() < max(limit, moved() + 2 * isolated.TIMEOUT):
                continue
            too_long = monotonic() > begin + 2 * isolated.PATIENCE * isolated.TIMEOUT
            if not waits or too_long or isolated.worked(process.pid) > isolated.WORK:
                raise
            limit = monotonic() + 2 * isolated.TIMEOUT


def states(function: Callable[[int], list[str]]) -> Check:
    """Verifica uma função que diz os estados de uma porta, em ordem alfabética.

    Argumentos:
        function: recebe a porta; devolve a lista dos estados, como em network.ports.
    """

    def lasting(port: int) -> Any:
        """A resposta, sem o que outra conversa, antes desta, deixou na mesma porta."""
        function(port)
        with redirect_stdout(io.StringIO()):  # o que ela mostra, uma vez só
            answer = function(port)  # a segunda não depende da primeira
        return [s for s in answer if s != "TIME_WAIT"] if isinstance(answer, list) else answer

    given = "a porta do servidor"
    with _alone() as server:
        port = server.address[1]
        if wrong := compare(lasting, {(port,): ["LISTEN"]}, given, hint=_states_hint):
            return wrong
        with EchoClient(*server.address) as client:
            client.send("!")
            three = ["ESTABLISHED"] * 2 + ["LISTEN"]
            wrong = compare(lasting, {(port,): three}, given, hint=_three_hint)
        # Fechada a conversa, e esperado o fim dela, sobra o TIME_WAIT.
        if not wrong and (resting := _resting(port)):
            wrong = compare(function, {(port,): resting}, given, hint=_resting_hint)
    return wrong or passed("Certo: sozinho, o servidor só escuta; com um cliente, são três.")


def _alone() -> EchoServer:
    """Um servidor numa porta que o Linux não dá a nenhuma outra conversa."""
    with suppress(OSError):  # tomada neste instante
        return EchoServer(port=network.spare_port()).start()
    return EchoServer(port=0).start()


def _three_hint(answer: list[Any], port: int) -> str:
    if not all(isinstance(state, str) for state in answer):
        return _states_hint(answer, port)
    if sorted(answer) == ["ESTABLISHED", "ESTABLISHED", "LISTEN"]:
        return "São esses: falta a ordem alfabética."
    if sorted(answer) == ["ESTABLISHED", "LISTEN"]:
        return (
            "Cada ponta da conversa é uma linha: sem set(), que tira as repetidas, e sem olhar só "
            "a porta local."
        )
    if {*answer} - {"ESTABLISHED", "LISTEN"}:
        return "Os nomes são os de .state, em ports(porta): o ss e o netstat escrevem outros."
    if answer == ["LISTEN"]:
        return (
            "Faltam linhas. É a porta que a função recebe, e não a PORTA da lição? De todos os "
            "estados, sem filtrar? O return está fora do for?"
        )
    return ""


def _resting(port: int) -> list[str]:
    """Os estados da porta, quando só resta a escuta e o TIME_WAIT; [] se não chega a ser assim."""
    deadline = monotonic() + isolated.TIMEOUT
    while monotonic() < deadline:
        found = sorted(row.state for row in network.ports(port))
        if {*found} == {"LISTEN", "TIME_WAIT"}:
            return found
        sleep(0.02)
    return []


def _resting_hint(answer: list[Any], port: int) -> str:
    if sorted(answer) == ["LISTEN", "TIME_WAIT"]:
        return "São esses: falta a ordem alfabética."
    return "Quero todos, e só eles."


def _states_hint(answer: list[Any], port: int) -> str:
    if not all(isinstance(item, str) and "(" not in item for item in answer):
        return "De cada linha, quero só o .state."
    if answer and all(len(item) == 1 for item in answer):
        return "São letras soltas: += junta à lista cada letra; append põe o texto inteiro."
    if answer == ["LISTEN"] * 2:
        return "A função foi chamada duas vezes: a lista começa vazia dentro dela, a cada uma."
    if any(state != state.upper() for state in answer):
        return "É o estado como o sistema o escreve, em maiúsculas: LISTEN."
    return "Quero as linhas da porta que a função recebe, e todas as dela: ports(porta)."


def reach(function: Callable[[str], str]) -> Check:
    """Verifica uma função que diz quem alcança um servidor, pelo host do bind.

    Argumentos:
        function: recebe o host; devolve "só esta máquina" ou "a rede".
    """
    lan = network.lan_address() or "192.168.0.5"
    hosts = dict.fromkeys(("127.0.0.1", "127.0.0.2", "localhost"), _HERE_ONLY)
    hosts |= dict.fromkeys((lan, "192.168.1.7", "0.0.0.0", "192.168.127.3"), _THE_NETWORK)
    hosts |= {"127.255.0.1": _HERE_ONLY}
    hosts |= dict.fromkeys(("12.0.0.1", "10.0.0.5", "172.16.0.9"), _THE_NETWORK)
    cases = {(host,): answer for host, answer in hosts.items()}
    wrong = compare(function, cases, hint=_reach_hint)
    return wrong or passed("Certo: todo 127.x.x.x fica na própria máquina; o resto, não.")


def _reach_hint(answer: str, host: str) -> str:
    if answer not in (_HERE_ONLY, _THE_NETWORK):
        return f"As respostas são duas, com estas letras: {_HERE_ONLY!r} e {_THE_NETWORK!r}."
    about = {
        "127.0.0.1": "É o endereço com que a máquina fala consigo mesma. (host[0] é só o 1, e "
        'host[:2], o 12; "host", entre aspas, é outro texto; e o and pede as duas coisas.)',
        "127.0.0.2": "Não é só o 127.0.0.1: todo endereço que começa por 127. é loopback.",
        "127.255.0.1": "Todo endereço que começa por 127. é loopback, venha o que vier depois.",
        "12.0.0.1": "Este começa por 12, e não por 127.",
        "localhost": "É um nome da própria máquina: vale por 127.0.0.1.",
        "0.0.0.0": "São todos os endereços desta máquina; entre eles, o que a rede alcança.",
        "192.168.127.3": "Só conta o começo, e esse 127 está no meio.",
    }
    always = (
        "A resposta sai a mesma para qualquer host? Um texto solto depois de or vale True; o "
        "começo é 127., e não só 1. E um endereço privado não é loopback: é o que a rede usa."
    )
    return about.get(host, always)


def same_network(function: Callable[[str, str, str], bool]) -> Check:
    """Verifica uma função que diz se dois endereços são da mesma rede, dada a máscara.

    Argumentos:
        function: recebe dois endereços e a máscara; devolve True ou False.
    """
    cases = {
        ("192.168.0.5", "192.168.0.77", "255.255.255.0"): True,
        ("192.168.0.5", "192.168.1.77", "255.255.255.0"): False,
        ("10.1.2.3", "10.9.8.7", "255.0.0.0"): True,
        ("192.168.0.100", "192.168.0.200", "255.255.255.128"): False,
        ("172.16.5.1", "172.16.6.1", "255.255.252.0"): True,
    }
    wrong = compare(function, cases, hint=_mask_hint)
    return wrong or passed("Certo: é a máscara que decide, e não a aparência dos números.")


def _mask_hint(answer: bool, one: str, other: str, mask: str) -> str:
    parts = zip(*(map(int, text.split(".")) for text in (one, other, mask)), strict=True)
    a, b, bits = next(part for part in parts if part[0] != part[1])
    there = f"Onde um tem {a} e o outro {b}, a máscara tem {bits}"
    if not bits:
        return (
            f"{there}: essa parte não conta. (O in procura um endereço numa rede; a máscara vai no "
            "texto da rede, depois da barra.)"
        )
    found = "há um 1 onde eles diferem" if a & bits != b & bits else "eles são iguais nos 1"
    if answer and bits == 255:
        found += " (é o outro que você procura na rede de um?)"
    return f"{there}, em binário {bits:08b}: {found}."


def which_address(function: Callable[[list[tuple[str, str]], str], str | None]) -> Check:
    """Verifica uma função que escolhe, dos próprios endereços, o que um colega alcança.

    Argumentos:
        function: recebe os pares (endereço, máscara) e o endereço do colega; devolve o endereço
            que está na sub-rede dele, ou None.
    """
    home, wide = ("192.168.1.20", "255.255.255.0"), ("10.0.0.5", "255.0.0.0")
    near, loopback = ("172.16.6.9", "255.255.252.0"), ("127.0.0.1", "255.0.0.0")
    cases = [
        ([home, wide], "192.168.1.77", home[0]),
        ([home, wide], "10.200.3.4", wide[0]),
        ([loopback, wide, home], "192.168.1.9", home[0]),
        ([("172.16.5.1", "255.255.255.0"), near], "172.16.7.1", near[0]),
        ([home], "192.168.2.20", None),
        ([], "192.168.2.20", None),
    ]
    with Learner(function) as learner:
        for mine, colleague, expected in cases:
            answer, error = learner.call(mine, colleague)
            if error or answer != expected:
                hint = "" if error else _address_hint(mine, colleague, expected, answer)
                came = error or f"Recebi {answer!r}."
                what = f"Com {mine} e o colega em {colleague}, esperava {expected!r}"
                return failed(f"{what}. {came} {hint}", learner)
    return passed("Certo: cada colega, o endereço da rede em que está; ou nenhum.")


def _address_hint(
    mine: list[tuple[str, str]], colleague: str, expected: str | None, answer: Any
) -> str:
    if answer in mine:
        return "Devolva só o endereço, sem a máscara."
    if answer == colleague:
        return "Esse é o do colega: devolva o seu, o que ele deve usar para chegar a você."
    if isinstance(answer, list):
        return "Devolva um só, fora de uma lista."
    if expected and str(answer) == expected:
        return "É esse, mas devolva o texto, como veio no par."
    if answer is None and expected == mine[0][0]:
        return "O primeiro já serve. A conta passa no exercício 2? Depois dela, há um return?"
    if expected and answer is None:
        return "Há um que serve. O return None só vem depois do laço. A máscara é a de cada par?"
    if expected is None:
        quoted = " None vai sem aspas." if answer == "None" else ""
        return f"Se nenhum está na sub-rede dele, a resposta é None.{quoted}"
    if answer in [host for host, _ in mine]:
        return "Esse não está na sub-rede dele: faça a conta do exercício 2 com cada par."
    return "Devolva um dos endereços que vêm em meus."
